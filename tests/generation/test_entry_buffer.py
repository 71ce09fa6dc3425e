"""The buffer between a pipeline and the log: what one batch may hold."""

from chatserver.generation.buffer import BATCH_BYTES, EntryBuffer
from chatserver.protocol import chunks


async def test_a_batch_is_bounded_by_count_and_bytes() -> None:
    """Small entries are bounded by their number, large ones by their bytes, and a huge one comes alone; none is left
    out."""
    buffer = EntryBuffer(100)
    sizes = [*[BATCH_BYTES // 4] * 6, 2 * BATCH_BYTES, *[1] * 20]
    told = [chunks.text_delta("t", "x" * size) for size in sizes]
    for chunk in told:
        await buffer.put(chunk)
    buffer.close()
    batches = []
    while batch := await buffer.take(8, linger_s=0):
        batches.append([chunk for chunk, _ in batch])
    assert [len(batch) for batch in batches] == [3, 3, 1, 8, 8, 4]
    assert [chunk for batch in batches for chunk in batch] == told
