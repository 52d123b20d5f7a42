"""Files that are dropped or chosen on the page."""

LARGEST = 50_000_000  # bytes of a file
LARGEST_MESSAGE = LARGEST * 4 // 3 + 1_000_000  # of what the browser sends: base64, and what stands around it
