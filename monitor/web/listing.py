"""Lists over the public views, a page at a time, from a key on: rows that come meanwhile never shift a page."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from monitor.ports import Reader
from monitor.web.cursors import Kind, read_cursor, write_cursor
from monitor.web.formats import Name, Row, format_of

# A page ends early where it would grow beyond this, so that a request's memory is bounded whatever the rows hold.
PAGE_BYTES = 16 * 2**20

# Lists by time look at the last minute first, then at the hour, the day, the month and the rest: partitions and BRIN
# indexes give a span of time quickly, but not an order.
STEPS = (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(days=30))

Text = Annotated[str, StringConstraints(max_length=512, pattern=r"^[^\x00]*$")]


class Paging(BaseModel):
    """What every list can be asked."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=1000, description="most rows of a page")] = 100
    cursor: Annotated[Text, Field(description="`next` of the page before")] | None = None
    format: Annotated[Name, Field(description="instead of an Accept header")] | None = None


class Timed(Paging):
    """Paging of lists by time."""

    since: Annotated[AwareDatetime, Field(description="from this instant on, with its offset")] | None = None
    until: Annotated[AwareDatetime, Field(description="before this instant")] | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition in SQL and the values of its ``:names``."""

    sql: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list: the columns of a source, in the order of a key that no two rows share.

    Attributes:
        source: what stands after FROM.
        key: columns that order the rows, with their kinds.
        by_time: the first column of the key is a time and the list may be long.
    """

    name: str
    source: str
    columns: tuple[str, ...]
    key: Mapping[str, Kind]
    order: Literal["DESC", "ASC"] = "DESC"
    by_time: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A list with all that was asked of it."""

    listing: Listing
    paging: Paging
    conditions: Sequence[Condition]


def equal(values: Mapping[str, Any]) -> list[Condition]:
    """A column equals a value, for each that is asked for."""
    return [Condition(f'"{name}" = :{name}', {name: value}) for name, value in values.items() if value is not None]


def within(column: str, timed: Timed) -> list[Condition]:
    """The column lies in the span asked for."""
    since = [Condition(f'"{column}" >= :since', {"since": timed.since})] if timed.since else []
    until = [Condition(f'"{column}" < :until', {"until": timed.until})] if timed.until else []
    return since + until


def answer(reader: Reader, asked: Asked, request: Request) -> Response:
    """A page, with a link to the next one.

    The page is read to its end before anything is sent: an error is answered as one, and a slow client holds no
    connection to the database.
    """
    listing, paging = asked.listing, asked.paging
    form = format_of(paging.format, request.headers.get("accept", ""))
    parts: list[bytes] = []
    size, last, cursor = 0, None, None
    with closing(found(reader, asked)) as rows:
        for row in rows:
            if last is not None and (len(parts) == paging.limit or size > PAGE_BYTES):
                cursor = write_cursor(listing.name, [last[column] for column in listing.key])
                break
            parts.append(form.row(row))
            size += len(parts[-1])
            last = row
    body = form.head(listing.columns) + form.between.join(parts) + form.tail(cursor)
    return Response(body, media_type=form.media_type, headers=link(request, cursor))


def link(request: Request, cursor: str | None) -> Mapping[str, str]:
    if cursor is None:
        return {}
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return {"Link": f'<{request.url.path}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'}


def found(reader: Reader, asked: Asked) -> Generator[Row]:
    """The rows of a page and one more, if there is one."""
    listing, paging = asked.listing, asked.paging
    conditions = list(asked.conditions)
    after = read_cursor(paging.cursor, listing.name, list(listing.key.values())) if paging.cursor else None
    if after is not None:
        conditions.append(beyond(listing, after))
    wanted = paging.limit + 1
    for span in spans(asked, after):
        for row in reader.rows(*statement(listing, [*conditions, *span], wanted)):
            wanted -= 1
            yield row
        if wanted <= 0:
            return


def beyond(listing: Listing, after: Sequence[Any]) -> Condition:
    """The rows behind a key."""
    names = [f"after_{place}" for place in range(len(after))]
    sign = "<" if listing.order == "DESC" else ">"
    left, right = ", ".join(f'"{column}"' for column in listing.key), ", ".join(f":{name}" for name in names)
    return Condition(f"({left}) {sign} ({right})", dict(zip(names, after, strict=True)))


def statement(listing: Listing, conditions: Sequence[Condition], limit: int) -> tuple[str, Mapping[str, Any]]:
    """The rows of a page; the keys are found first, so that columns that cost are computed for the page alone."""
    columns = ", ".join(f'"{column}"' for column in listing.columns)
    key = ", ".join(f'"{column}"' for column in listing.key)
    order = ", ".join(f'"{column}" {listing.order}' for column in listing.key)
    where = " AND ".join(f"({condition.sql})" for condition in conditions) or "true"
    values = {name: value for condition in conditions for name, value in condition.values.items()}
    sql = f"""SELECT {columns} FROM (
            SELECT {key} FROM {listing.source} WHERE {where} ORDER BY {order} LIMIT :rows_wanted
        ) AS page JOIN {listing.source} USING ({key}) ORDER BY {order}"""  # noqa: S608
    return sql, values | {"rows_wanted": limit}


def spans(asked: Asked, after: Sequence[Any] | None) -> Iterator[list[Condition]]:
    """Spans of time, newest first, that do not overlap and together hold all rows asked for."""
    if not asked.listing.by_time:
        yield []
        return
    column = next(iter(asked.listing.key))
    since, until = (asked.paging.since, asked.paging.until) if isinstance(asked.paging, Timed) else (None, None)
    newest = min(instant for instant in (datetime.now(UTC), until, after[0] if after else None) if instant is not None)
    end: list[Condition] = []
    for number, step in enumerate(STEPS):
        try:
            start = newest - step
        except OverflowError:  # before the year 1
            break
        if since is not None and start <= since:
            break
        yield [Condition(f'"{column}" >= :from_{number}', {f"from_{number}": start}), *end]
        end = [Condition(f'"{column}" < :to_{number}', {f"to_{number}": start})]
    yield end
