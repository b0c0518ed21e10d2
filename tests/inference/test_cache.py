import gc
import tracemalloc

import numpy as np

from monitor.inference.cache import VectorCache


def keys(count: int) -> list[bytes]:
    return [number.to_bytes(16, "big") for number in range(count)]


def rows(count: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    return np.arange(count * 4, dtype=np.float32).reshape(count, 4)


def test_the_least_recently_used_vector_goes_first() -> None:
    a, b, c = keys(3)
    cache = VectorCache(2 * (16 + 400))
    cache.put([a, b], rows(2))
    cache.take([a])
    cache.put([c], rows(1))
    assert {key: vector.tolist() for key, vector in cache.take([a, b, c]).items()} == {
        a: [0, 1, 2, 3],
        c: [0, 1, 2, 3],
    }


def test_a_key_that_is_put_twice_counts_once() -> None:
    cache = VectorCache(10_000)
    cache.put(keys(2), rows(2))
    cache.put(keys(2), rows(2))
    assert (len(cache), cache.used_bytes) == (2, 2 * (16 + 400))


def test_a_cache_of_no_bytes_keeps_nothing() -> None:
    cache = VectorCache(0)
    cache.put(keys(3), rows(3))
    assert (len(cache), cache.used_bytes) == (0, 0)


def test_of_a_batch_larger_than_the_cache_the_end_is_kept() -> None:
    cache = VectorCache(2 * (16 + 400))
    cache.put(keys(5), rows(5))
    assert list(cache.take(keys(5))) == keys(5)[3:]


def test_the_memory_held_is_what_is_counted() -> None:
    cache = VectorCache(4 * 2**20)
    gc.collect()
    tracemalloc.start()
    for first in range(0, 4000, 100):
        batch = [number.to_bytes(16, "big") for number in range(first, first + 100)]
        cache.put(batch, np.ones((100, 384), np.float32))
        del batch
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert cache.used_bytes <= 4 * 2**20
    assert 0.8 * cache.used_bytes < held < 1.1 * cache.used_bytes
