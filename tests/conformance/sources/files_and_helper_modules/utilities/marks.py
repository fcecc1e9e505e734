MARKS = {"first": "!", "second": "?"}


def marked(word, mark):
    return f"{word}{mark}"
