"""The embedded texts with a sentiment: remarks about things, made by a grammar, so that no file is needed.

A remark is positive, neutral or negative, by its judgement; negations turn some of them round ("not
bad at all"), so that single words do not decide.
"""

import itertools

import numpy as np

CLASSES = ("negative", "neutral", "positive")
SIZES = (1200, 200, 200)

_SEED = 2017
_THINGS = (
    "the soup", "this film", "my new phone", "the hotel room", "the concert last night", "our guide", "the bus ride",
    "that book", "the second season", "the update", "her speech", "the service here", "the match", "the exhibition",
    "this old laptop", "the garden behind the house", "the play", "their first album",
)  # fmt: skip
_GOOD = (
    "wonderful", "really good", "a joy", "better than i hoped", "worth every penny", "warm and funny", "brilliant",
    "a lovely surprise", "hard to beat", "perfect for a rainy day",
)  # fmt: skip
_BAD = (
    "awful", "really bad", "a waste of time", "worse than i feared", "far too expensive", "cold and dull",
    "broken again", "a sad disappointment", "hard to bear", "a complete mess",
)  # fmt: skip
_PLAIN = (
    "on the second floor", "two hours long", "in the blue box", "open until nine", "from the year 1987",
    "next to the bank", "made in three parts", "on the list", "about a small town", "the same as before",
)  # fmt: skip
_TURNED_GOOD = ("not bad at all", "anything but dull", "never a waste of time", "not a mess any more")
_TURNED_BAD = ("not good at all", "anything but funny", "never a joy", "not worth a penny")
_BEGINNINGS = ("", "well , ", "honestly , ", "as my sister says , ", "i think ", "@user ", "just back : ")
_ENDINGS = ("", " .", " !", " , that is all", " http://example.org/1", " #today", " , see you at 8:30")


def remarks() -> tuple[list[tuple[str, int]], ...]:
    """Training, validation and test remarks as (text, class), each text once; always the same."""
    judgements = [
        *((t, 0) for t in _BAD + _TURNED_BAD),
        *((t, 1) for t in _PLAIN),
        *((t, 2) for t in _GOOD + _TURNED_GOOD),
    ]
    every = [
        (f"{beginning}{thing} is {judgement}{ending}", label)
        for beginning, thing, (judgement, label), ending in itertools.product(
            _BEGINNINGS, _THINGS, judgements, _ENDINGS
        )
    ]
    order = np.random.RandomState(_SEED).permutation(len(every))
    chosen = iter(every[i] for i in order[: sum(SIZES)])
    return tuple(list(itertools.islice(chosen, size)) for size in SIZES)
