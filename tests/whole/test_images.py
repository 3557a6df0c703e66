"""Images in a column become image blocks, wherever their bytes come from."""

import io
import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from whole_runs import Job, Server

WITH_IMAGE = 'prompt = "What is it?"\nimages = ["image"]\n'


def png(color: str, side: int = 60) -> bytes:
    """A small picture."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), color).save(file, "PNG")
    return file.getvalue()


def test_paths_beside_the_input_are_read(job: Job, server: Server) -> None:
    """A relative path is sent as the file's bytes and costs its patches."""
    (job.folder / "red.png").write_bytes(png("red"))
    job.write([{"image": "red.png"}], request=WITH_IMAGE).run()
    patches = math.ceil(60 / 28) ** 2
    assert job.table().column("_status").to_pylist() == ["succeeded"]
    assert server.ledger()["tokens"]["input_tokens"] >= patches


def test_a_hugging_face_image_column_is_read(job: Job, server: Server) -> None:
    """A struct of bytes and path, and plain bytes, are images too; the type is found from bytes."""
    jpeg = io.BytesIO()
    Image.new("RGB", (40, 40), "blue").save(jpeg, "JPEG")
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = [{"bytes": png("red"), "path": "x.jpg"}, {"bytes": jpeg.getvalue(), "path": None}]
    table = pa.table({"image": pa.array(images, kind), "n": [1, 2]})
    pq.write_table(table, job.folder / "rows.parquet")
    job.write(input='path = "rows.parquet"\n', request=WITH_IMAGE).run()
    assert job.table().column_names[0] == "n", "images are not copied to the output"
    assert job.table().column("_status").to_pylist() == ["succeeded"] * 2
    assert server.ledger()["answered"] == 2


def test_a_path_out_of_the_folder_is_refused(job: Job, server: Server) -> None:
    """A row cannot make batcher send a file from elsewhere, nor anything that is no image."""
    (job.folder / "good.png").write_bytes(png("green"))
    (job.folder / "text.png").write_text("not a picture")
    rows = [{"image": name} for name in ("../../etc/passwd", "/etc/passwd", "text.png", "good.png")]
    job.write(rows, request=WITH_IMAGE).run(code=3)
    assert job.table().column("_status").to_pylist() == ["errored"] * 3 + ["succeeded"]
    assert set(job.table().column("_error_type").to_pylist()[:3]) == {"client.bad_image"}
    assert server.ledger()["requests"] == 1


def test_messages_columns_are_sent_as_they_are(job: Job, server: Server) -> None:
    """A column of whole conversations, as values or as JSON text, is what is asked."""
    messages = [{"role": "user", "content": "Hello"}]
    rows = [{"chat": messages}, {"chat": json.dumps(messages)}]
    job.write(rows, request='messages = "chat"\n').run()
    assert server.ledger()["requests"] == 1, "both rows ask the same"
    assert job.table().column("_status").to_pylist() == ["succeeded"] * 2
