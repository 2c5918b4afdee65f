"""Lists that are got page by page, as they are needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Callable, TypeVar

from ._calls import Call, Listed, Listing, Page

T = TypeVar("T")


class Pages(Listed[T], Iterator[T]):
    """An iterator over all items. Where a page cannot be got it raises; next() then tries again."""

    def __init__(self, listing: Listing[T], run: Callable[[Call[Page[T]]], Page[T]]) -> None:
        super().__init__(listing)
        self._run = run

    def __iter__(self) -> Pages[T]:
        return self

    def __next__(self) -> T:
        while not self._items:
            call = self._next_page()
            if call is None:
                raise StopIteration
            self._take(self._run(call))
        return self._items.popleft()


class AsyncPages(Listed[T], AsyncIterator[T]):
    """As Pages, for asyncio."""

    def __init__(self, listing: Listing[T],
                 run: Callable[[Call[Page[T]]], Awaitable[Page[T]]]) -> None:
        super().__init__(listing)
        self._run = run

    def __aiter__(self) -> AsyncPages[T]:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            call = self._next_page()
            if call is None:
                raise StopAsyncIteration
            self._take(await self._run(call))
        return self._items.popleft()
