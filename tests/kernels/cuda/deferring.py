"""An emulated card on which what need not happen yet does not: missing waits become wrong numbers."""


def card(emulated, late, memory=1 << 34):
    """A card whose "kernels", or whose "copies", run as late as they may."""

    class Program:
        def __init__(self, card, program):
            self.card, self.program = card, program

        def launch(self, *arguments):
            self.card.in_order(lambda: self.program.launch(*arguments))

        def hold(self, symbol, array):
            array = array.copy()
            self.card.in_order(lambda: self.program.hold(symbol, array))

    class Card(emulated.EmulatedCard):
        def __init__(self):
            super().__init__(emulated.FOLDER, memory=memory)
            self.kernels, self.copies, self.n_ended, self.n_copied, self.n_sent = [], [], 0, 0, 0

        def in_order(self, action):
            """An action that follows the kernels and all copies to the card that were begun."""
            self.kernels.append((action, self.n_sent))
            if late == "copies":
                self.end_kernels(len(self.kernels))

        def end_kernels(self, number):
            while self.n_ended < number:
                action, n_sent = self.kernels[self.n_ended]
                self.end_copies(n_sent)
                self.kernels[self.n_ended] = None
                self.n_ended += 1
                action()

        def beside(self, action, after):
            self.copies.append((action, after))
            if late == "kernels":
                self.end_copies(len(self.copies))
            return "copy", len(self.copies)

        def end_copies(self, number):
            while self.n_copied < number:
                action, (_, after) = self.copies[self.n_copied]
                self.copies[self.n_copied] = None
                self.n_copied += 1
                self.end_kernels(after)
                action()

        def upload(self, array, memory):
            array, upload = array.copy(), super().upload
            self.in_order(lambda: upload(array, memory))

        def download(self, memory, array):
            self.end_kernels(len(self.kernels))
            super().download(memory, array)

        def mark(self):
            return "kernels", len(self.kernels)

        def send(self, staged, memory, after):
            upload = super().upload
            mark = self.beside(lambda: upload(staged, memory), after)
            self.n_sent = len(self.copies)
            return mark

        def receive(self, memory, staged, after):
            download = super().download
            return self.beside(lambda: download(memory, staged), after)

        def wait(self, mark):
            kind, number = mark
            (self.end_copies if kind == "copy" else self.end_kernels)(number)

        def load(self, source):
            return Program(self, super().load(source))

    return Card()
