"""What a section is made of: plain values that only the template turns into HTML: escaping has one place."""

from dataclasses import dataclass
from typing import ClassVar, Literal, final

__all__ = [
    "Block",
    "Card",
    "Cards",
    "Cell",
    "Details",
    "Drawing",
    "Drawings",
    "Example",
    "Picture",
    "Pictures",
    "Section",
    "Table",
    "Text",
    "Tile",
    "Tiles",
]

Tone = Literal["plain", "lead", "note", "good", "bad", "even"]
Mark = Literal["", "worst", "missing", "quiet", "autoencoder", "pca", "mean"]


@final
@dataclass(frozen=True)
class Text:
    """A paragraph; `tone` says how loud it is.

    >>> Text("All is well.", "good").tone
    'good'
    """

    words: str
    tone: Tone = "plain"
    kind: ClassVar[str] = "text"


@final
@dataclass(frozen=True)
class Cell:
    """A cell of a table: what is shown, how it is marked, and the whole text where it was shortened.

    >>> Cell("a…", whole="abc").whole
    'abc'
    """

    text: str
    mark: Mark = ""
    whole: str = ""


@final
@dataclass(frozen=True)
class Table:
    """A table that scrolls in its own box; the columns named in `numeric` (by position) are aligned right.

    >>> Table(("unit", "mean"), ((Cell("0"), Cell("1.2")),), numeric=(1,)).kind
    'table'
    """

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    numeric: tuple[int, ...] = ()
    kind: ClassVar[str] = "table"


@final
@dataclass(frozen=True)
class Drawing:
    """A figure as a data URI, with the words that stand for it, a caption and a title.

    >>> Drawing("data:,", "nothing", "A figure.").title
    ''
    """

    source: str
    words: str
    caption: str
    title: str = ""


@final
@dataclass(frozen=True)
class Drawings:
    """Figures side by side where there is room.

    >>> Drawings(()).kind
    'drawings'
    """

    drawings: tuple[Drawing, ...]
    kind: ClassVar[str] = "drawings"


@final
@dataclass(frozen=True)
class Picture:
    """A small raster image as a data URI, with a name below it.

    >>> Picture("data:,", "original").name
    'original'
    """

    source: str
    name: str


@final
@dataclass(frozen=True)
class Example:
    """One row of data as pictures beside each other.

    >>> Example("error 1.2", ()).title
    'error 1.2'
    """

    title: str
    pictures: tuple[Picture, ...]


@final
@dataclass(frozen=True)
class Pictures:
    """A grid of examples under one heading.

    >>> Pictures("Best", ()).kind
    'pictures'
    """

    title: str
    examples: tuple[Example, ...]
    kind: ClassVar[str] = "pictures"


@final
@dataclass(frozen=True)
class Card:
    """A small table with a title.

    >>> Card("Phase 1", Table((), ())).title
    'Phase 1'
    """

    title: str
    table: Table


@final
@dataclass(frozen=True)
class Cards:
    """Small tables side by side where there is room.

    >>> Cards("Best", ()).kind
    'cards'
    """

    title: str
    cards: tuple[Card, ...]
    kind: ClassVar[str] = "cards"


@final
@dataclass(frozen=True)
class Tile:
    """A number and what it says.

    >>> Tile("30", "numbers in a code").value
    '30'
    """

    value: str
    name: str


@final
@dataclass(frozen=True)
class Tiles:
    """The few numbers to remember.

    >>> Tiles(()).kind
    'tiles'
    """

    tiles: tuple[Tile, ...]
    kind: ClassVar[str] = "tiles"


@final
@dataclass(frozen=True)
class Details:
    """Blocks that are folded away until they are asked for.

    >>> Details("All columns", ()).kind
    'details'
    """

    summary: str
    blocks: tuple[Text | Table | Drawings | Cards, ...]
    kind: ClassVar[str] = "details"


Block = Text | Table | Drawings | Pictures | Cards | Tiles | Details


@final
@dataclass(frozen=True)
class Section:
    """A part of the page: the name of its anchor, its title and its blocks.

    >>> Section("recipe", "The recipe", (Text("One phase."),)).anchor
    'recipe'
    """

    anchor: str
    title: str
    blocks: tuple[Block, ...]
