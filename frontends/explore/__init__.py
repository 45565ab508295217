"""Programs to look at: layouts, pictures and the page of `arignote explore`."""
