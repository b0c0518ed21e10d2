from monitor.model.record import Partition, Progress, Record, span

FIRST, SECOND = Partition("t", 0), Partition("t", 1)


def record(partition: Partition, offset: int) -> Record:
    return Record(partition, offset, b"abc", {})


def test_progress_is_per_partition_from_the_position_held_to_behind_the_last_offset() -> None:
    read = [record(FIRST, 7), record(SECOND, 0), record(FIRST, 5)]

    assert span(read, {FIRST: 20}, {FIRST: 4, SECOND: 0}) == [Progress(FIRST, 4, 8, 20), Progress(SECOND, 0, 1, 1)]
    assert span([], {FIRST: 20}, {FIRST: 4}) == []


def test_an_end_seen_before_the_last_record_came_is_moved_behind_it() -> None:
    assert span([record(FIRST, 9)], {FIRST: 3}, {FIRST: 9}) == [Progress(FIRST, 9, 10, 10)]
