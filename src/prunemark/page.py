def render(rows, summaries, contents, asked, conditions):
    return "<html></html>"
