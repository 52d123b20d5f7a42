"""The page as a whole."""

from xdgmm import datasets


def test_the_page_has_three_tabs_each_of_which_can_be_opened(page):
    assert page.run("return document.title") == "xdgmm explore"
    titles = page.run("return Bokeh.documents[0].get_model_by_name('tabs').tabs.map((tab) => tab.title)")
    assert titles == ["Mixture", "Fit", "Judge"]
    for number, title in enumerate(titles):
        page.show_tab(title)
        assert page.value("tabs", "active") == number
    page.show_tab("Fit")
    assert "300 objects" in page.text("data_in_words")


def test_a_table_of_the_command_line_is_shown_first(open_page, serve):
    with serve(datasets.path("hydrus1"), "--columns", "v") as (_, url):
        page = open_page(url)
        assert page.value("tabs", "active") == 1
        assert "31 objects; errors of v taken from e_v" in page.text("data_in_words")
        page.close()
