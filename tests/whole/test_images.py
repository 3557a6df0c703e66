"""Images in a column become image blocks, from paths, bytes and structs."""

import base64
import io
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from whole_runs import Job, Server, wait_for

from batcher.core.request.image_size import image_tokens

WITH_IMAGE = 'prompt = "What is it?"\nimages = ["image"]\n'
HUGGING_FACE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SIZES = [(60, 60), (300, 20), (1000, 1000), (1920, 1080), (3840, 2160), (20, 7999), (1, 1)]
LABELS = '[labels]\nfields = "label: cat|dog|other"\ngold = "truth"\n'


def png(color: str, side: int = 60) -> bytes:
    """Return a small image."""
    return picture((side, side), color)


def picture(size: tuple[int, int], color: str = "red", kind: str = "PNG") -> bytes:
    """Return an image of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, kind)
    return file.getvalue()


def estimated(job: Job) -> Any:
    """Return the estimated tokens of all prompts, from their texts and images."""
    return json.loads(job.command("estimate", "--offline", "--json"))["tokens"]["prompt"]


def paid(server: Server) -> int:
    """Return all input tokens that the simulator has billed."""
    return sum(n for kind, n in server.ledger()["tokens"].items() if "input" in kind)


def test_paths_beside_the_input_are_read(job: Job, server: Server) -> None:
    """For a relative path the file's bytes are sent, and the image costs its patches."""
    (job.folder / "red.png").write_bytes(png("red"))
    job.write([{"image": "red.png"}], request=WITH_IMAGE).run()
    patches = math.ceil(60 / 28) ** 2
    assert job.table().column("_status").to_pylist() == ["succeeded"]
    assert server.ledger()["tokens"]["input_tokens"] >= patches


def test_a_hugging_face_image_column_is_read(job: Job, server: Server) -> None:
    """A struct of bytes and path, or plain bytes, is an image; the bytes decide its type."""
    jpeg = io.BytesIO()
    Image.new("RGB", (40, 40), "blue").save(jpeg, "JPEG")
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = [{"bytes": png("red"), "path": "x.jpg"}, {"bytes": jpeg.getvalue(), "path": None}]
    table = pa.table({"image": pa.array(images, kind), "n": [1, 2]})
    pq.write_table(table, job.folder / "rows.parquet")
    job.write(input='path = "rows.parquet"\n', request=WITH_IMAGE).run()
    assert job.table().column_names[:2] == ["n", "_id"], "images are not copied to the output"
    assert job.table().column("_status").to_pylist() == ["succeeded"] * 2
    assert server.ledger()["answered"] == 2


def test_a_list_of_images_is_sent_in_its_order(job: Job) -> None:
    """Lists of paths, bytes and structs are images of one row; lists of paths are kept."""
    (job.folder / "red.png").write_bytes(png("red"))
    lists = {
        "paths": [["red.png", "red.png"], ["red.png"]],
        "bytes": [[png("blue"), png("green")], [png("red")]],
        "structs": [[{"bytes": png("blue"), "path": None}, {"bytes": None, "path": "red.png"}]] * 2,
    }
    table = pa.table(
        {
            "paths": lists["paths"],
            "bytes": lists["bytes"],
            "structs": pa.array(lists["structs"], pa.list_(HUGGING_FACE)),
        }
    )
    pq.write_table(table, job.folder / "rows.parquet")
    request = 'prompt = "What is it?"\nimages = ["paths", "bytes", "structs"]\n'
    job.write(input='path = "rows.parquet"\n', request=request).run()
    assert job.table().column("_status").to_pylist() == ["succeeded"] * 2
    assert job.table().column_names[:2] == ["paths", "_id"]
    assert job.table().column("paths").to_pylist() == lists["paths"]
    shown = [json.loads(job.command("show", row, "--json"))["request"] for row in ("1", "2")]
    contents = [request["messages"][0]["content"] for request in shown]
    assert [len(content) for content in contents] == [2 + 2 + 2 + 1, 1 + 1 + 2 + 1]
    blue, green = (block["source"]["data"] for block in contents[0][2:4])
    assert base64.b64decode(blue) == png("blue")
    assert base64.b64decode(green) == png("green")


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        ([], "the column 'image': the image is missing (no entry)"),
        (["red.png", None], "the column 'image', entry 2: the image is missing (null)"),
        (["red.png", "gone.png"], "the column 'image', entry 2: the image file does not exist"),
        (["red.png", ["red.png"]], "the column 'image', entry 2: the image must be"),
    ],
)
def test_a_bad_entry_of_a_list_is_named(job: Job, images: list[Any], reason: str) -> None:
    """A row without one of its images is bad; the message says which entry it is."""
    (job.folder / "red.png").write_bytes(png("red"))
    job.write([{"image": ["red.png"]}, {"image": images}], request=WITH_IMAGE).run(code=3)
    row = job.table().to_pylist()[1]
    assert row["_error_type"] == "client.bad_image"
    assert reason in row["_error_message"]


@pytest.mark.parametrize(
    ("kind", "model"),
    [("PNG", "claude-haiku-4-5-20251001"), ("JPEG", "claude-haiku-5-5"), ("WEBP", "claude-opus-5")],
)
def test_images_cost_what_was_estimated(kind: str, model: str, tmp_path: Path) -> None:
    """Each image of a labelled Hugging Face table is billed its patches, as estimated."""
    server = Server()
    images = [{"bytes": picture(size, kind=kind), "path": f"{n}.x"} for n, size in enumerate(SIZES)]
    columns = {"n": range(len(SIZES)), "truth": ["cat"] * len(SIZES)}
    table = pa.table({"image": pa.array(images, HUGGING_FACE), **columns})
    tokens = {}
    for asks in ("images = []", 'images = ["image"]'):
        folder = tmp_path / str(len(tokens))
        folder.mkdir()
        pq.write_table(table, folder / "rows.parquet")
        request = f'prompt = "What is it, {{{{ n }}}}?"\n{asks}\n'
        job = Job(folder, server)
        job.write(input='path = "rows.parquet"\n', request=request, more=LABELS)
        job.path.write_text(job.path.read_text().replace("claude-haiku-5-5", model))
        before, expected = paid(server), estimated(job)["expected"]
        job.run()
        tokens[asks] = (expected, paid(server) - before)
        found = job.table()
        assert found.schema.field("label").type == pa.dictionary(pa.int32(), pa.string())
        assert set(found.column("_status").to_pylist()) == {"succeeded"}
    server.close()
    (plain, paid_plain), (with_images, paid_with) = tokens.values()
    tier: Any = "standard" if "4-5" in model else "high"
    patches = sum(image_tokens(width, height, tier) for width, height in SIZES)
    assert paid_with - paid_plain == patches
    assert with_images - plain == pytest.approx(patches, rel=0.005)


def test_a_folder_of_images_costs_what_was_estimated(tmp_path: Path) -> None:
    """A folder of images is estimated like a table of images."""
    server, tokens = Server(), []
    for sizes in (SIZES[:1], SIZES):
        folder = tmp_path / str(len(sizes))
        (folder / "photos").mkdir(parents=True)
        for n, size in enumerate(sizes):
            (folder / f"photos/{n}.png").write_bytes(picture(size))
        job = Job(folder, server)
        ask = 'prompt = "What is it?"\nimages = ["file"]\n'
        job.write(input='path = "photos"\n', request=ask, more=LABELS.partition("gold")[0])
        before, expected = paid(server), estimated(job)["expected"]
        job.run()
        tokens.append((expected, paid(server) - before))
    server.close()
    (one, paid_one), (all_of, paid_all) = tokens
    first, *others = (image_tokens(*size, "high") for size in SIZES)
    text = paid_one - first
    assert paid_all - paid_one == sum(others) + text * len(others)
    assert all_of - one == pytest.approx(paid_all - paid_one, rel=0.03)


def test_a_folder_of_images_is_an_input(job: Job, server: Server) -> None:
    """Each file is a row with its own label; a file that is no image does not stop the others."""
    (job.folder / "photos").mkdir()
    for n in range(6):
        (job.folder / f"photos/{n}.png").write_bytes(picture((30 * (n + 1), 40)))
    (job.folder / "photos/broken.jpg").write_text("no picture")
    ask = 'prompt = "Which animal?"\nimages = ["file"]\n'
    fields = '[labels]\nfields = "label: cat|dog|other"\n'
    printed = job.write(input='path = "photos"\n', request=ask, more=fields).run(code=3)
    found = job.table().to_pylist()
    assert [row["file"] for row in found] == [*(f"{n}.png" for n in range(6)), "broken.jpg"]
    assert all(row["label"] in ("cat", "dog", "other") for row in found[:6])
    assert [row["_status"] for row in found] == ["succeeded"] * 6 + ["errored"]
    assert found[6]["_error_type"] == "client.bad_image"
    assert server.ledger()["requests"] == 6
    (job.folder / "photos/another.png").write_bytes(picture((90, 90)))
    assert "8 rows, 6 already answered, 1 new" in job.run(code=3)
    assert "no picture" not in printed


@pytest.mark.slow
def test_a_changed_image_stops_the_run(tmp_path: Path) -> None:
    """When it changes before sending, the run stops; the next run sends the new image."""
    server = Server("--latency", "0.05")
    job = Job(tmp_path, server)
    rows = [{"n": n, "image": f"{n}.png"} for n in range(300)]
    for row in rows:
        (job.folder / row["image"]).write_bytes(picture((30, 30 + row["n"] % 50)))
    ask = 'prompt = "What is {{ n }}?"\nimages = ["image"]\n'
    run = job.write(rows, request=ask, limits="concurrency = 12\n").start()
    wait_for(server, 3)
    (job.folder / "299.png").write_bytes(picture((400, 400)))
    _, printed = run.communicate(timeout=200)
    assert run.returncode == 1
    assert "a file that a row names changed" in printed
    before = server.ledger()["answered"]
    assert before < 300
    job.run("--set", "limits.concurrency=64")
    assert set(job.table().column("_status").to_pylist()) == {"succeeded"}
    assert server.ledger()["answered"] == 300, "no row was sent twice or with its old image"
    server.close()


def test_a_path_out_of_the_folder_is_refused(job: Job, server: Server) -> None:
    """A row cannot make batcher send a file outside the folder, or a file that is no image."""
    (job.folder / "good.png").write_bytes(png("green"))
    (job.folder / "text.png").write_text("not a picture")
    rows = [{"image": name} for name in ("../../etc/passwd", "/etc/passwd", "text.png", "good.png")]
    job.write(rows, request=WITH_IMAGE).run(code=3)
    assert job.table().column("_status").to_pylist() == ["errored"] * 3 + ["succeeded"]
    assert set(job.table().column("_error_type").to_pylist()[:3]) == {"client.bad_image"}
    assert server.ledger()["requests"] == 1


def test_messages_columns_are_sent_unchanged(job: Job, server: Server) -> None:
    """A column of conversations, as values or as JSON text, is sent unchanged."""
    messages = [{"role": "user", "content": "Hello"}]
    rows = [{"chat": messages}, {"chat": json.dumps(messages)}]
    job.write(rows, request='messages = "chat"\n').run()
    assert server.ledger()["requests"] == 1, "both rows have the same request"
    assert job.table().column("_status").to_pylist() == ["succeeded"] * 2
