"""Pages as they are asked for; what becomes of their objects is in test_reflector."""

import json

import pytest

from cache.lister_watcher import Expired, TooLarge, Unavailable
from cache.page_reader import Overfull, PageReader
from cache.turns import Turns


class Pages:
    """Answers with pages of a hundred objects, `left` of them in all."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.asked: list[tuple[int, str]] = []
        self.heard = 0

    async def list(self, *, limit: int, continue_token: str) -> bytes:
        self.asked.append((limit, continue_token))
        self.left -= 1
        metadata = {"resourceVersion": "5"} | ({"continue": f"{self.left} left"} if self.left else {})
        return json.dumps({"metadata": metadata, "items": [{"metadata": {"name": "x" * 1000}}] * 100}).encode()

    def hear(self) -> None:
        self.heard += 1

    def reader(self, most: int = 1 << 30) -> PageReader:
        return PageReader(self, self.hear, page_size=500, page_timeout=30.0, most=most, turns=Turns())  # type: ignore[arg-type]  # no watches


async def test_all_pages_of_a_list():
    pages = Pages(3)
    assert len([page async for page in pages.reader().pages()]) == 3
    assert pages.asked == [(500, ""), (500, "2 left"), (500, "1 left")]
    assert pages.heard == 3


@pytest.mark.parametrize(("left", "fits"), [(9, True), (20, False), (10**9, False)])
async def test_a_list_has_a_size(left, fits):
    pages = Pages(left)
    reader = pages.reader(most=1 << 20)
    if fits:
        await reader.weigh()
    else:
        with pytest.raises(Overfull, match="more than 1 MiB"):
            await reader.weigh()
    assert len(pages.asked) <= 11


async def asked_next(reader: PageReader, pages: Pages) -> int:
    pages.left = 1
    await reader.page(1)
    pages.left, pages.asked = 1, []
    async for _ in reader.pages():
        pass
    return pages.asked[0][0]


async def test_one_that_expires_twice_is_read_in_one_piece_and_the_next_one_by_pages():
    pages = Pages(1)
    reader = pages.reader()
    reader.otherwise(Expired("410"))
    reader.otherwise(Expired("410"))
    assert await asked_next(reader, pages) == 0
    assert await asked_next(reader, pages) == 500


async def test_one_that_expires_even_so_is_a_failure():
    reader = Pages(1).reader()
    reader.otherwise(Expired("410"))
    reader.otherwise(Expired("410"))
    with pytest.raises(Unavailable, match="expire before they are complete"):
        reader.otherwise(Expired("410"))


async def test_pages_become_smaller_until_they_cannot():
    pages = Pages(1)
    reader = pages.reader()
    for size in (50, 5):
        reader.otherwise(TooLarge("more than 16 MiB"))
        assert await asked_next(reader, pages) == size
    with pytest.raises(TooLarge):
        reader.otherwise(TooLarge("more than 16 MiB"))
    assert await asked_next(reader, pages) == 5
