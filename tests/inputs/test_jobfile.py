"""Job files: their values and sources, and the line of each mistake."""

import hashlib
from pathlib import Path
from textwrap import dedent

import pytest

from batcher.errors import JobFileError
from batcher.inputs.job_file.load import LoadedJob, load_job

PLAIN = """
    [input]
    path = "in.jsonl"
    [request]
    model = "m"
    max_tokens = 10
    prompt = "{{ text }}"
"""
KEY = "sk-ant-api03-canary"


def write(folder: Path, text: str, name: str = "demo.toml") -> Path:
    """Write a job file; its first line is line 1."""
    path = folder / name
    path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return path


def load(folder: Path, text: str, *overrides: str) -> LoadedJob:
    """Load a job file of this text."""
    return load_job(write(folder, text), overrides)


def mistakes(folder: Path, text: str, *overrides: str) -> list[str]:
    """Return the mistakes of a wrong job file: line (or --set) and first line of the message."""
    with pytest.raises(JobFileError) as caught:
        load(folder, text, *overrides)
    return [
        f"{problem.line or problem.file}: {problem.message}".split("\n", 1)[0].replace(
            str(folder), "FOLDER"
        )
        for problem in caught.value.problems
    ]


def test_a_job_file_is_read(tmp_path: Path) -> None:
    """The job, its texts and its digest are read."""
    path = write(tmp_path, PLAIN + '    temperature = 0.2\n    system = "S"\n')
    loaded = load_job(path)
    assert loaded.job.job.name == "demo"
    assert (loaded.path, loaded.folder) == (path, tmp_path)
    assert (loaded.system, loaded.system_name) == ("S", "request.system")
    assert (loaded.prompt, loaded.prompt_name) == ("{{ text }}", "request.prompt")
    assert loaded.job.request.parameters == {"temperature": 0.2}
    assert type(loaded.job.request.parameters["temperature"]) is float
    assert loaded.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_value_has_its_source(tmp_path: Path) -> None:
    """The source is a default, a line of the file, or the command line."""
    text = PLAIN + '    [prices.overrides."m.1"]\n    input = 1\n    output = 2\n'
    sources = load(tmp_path, text, "limits.concurrency=4", "request.max_tokens=20").sources
    assert sources["input.path"] == "demo.toml:2"
    assert sources["request.prompt"] == "demo.toml:6"
    assert sources["prices.overrides"] == "demo.toml:7"
    assert sources["request.max_tokens"] == sources["limits.concurrency"] == "--set"
    assert (
        sources["job.name"] == sources["limits.timeout_s"] == sources["api.base_url"] == "default"
    )


def test_a_given_name_is_kept(tmp_path: Path) -> None:
    """[job] name is used instead of the file's name."""
    loaded = load(tmp_path, '[job]\nname = "other"\n' + dedent(PLAIN))
    assert loaded.job.job.name == "other"
    assert loaded.sources["job.name"] == "demo.toml:2"


def test_texts_may_be_in_files(tmp_path: Path) -> None:
    """Files relative to the job file are read exactly; templates are named after them."""
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/p.txt").write_bytes("\ufeffé {{ a }}\r\n".encode())
    (tmp_path / "s.txt").write_bytes(b"system\n")
    text = PLAIN.replace('prompt = "{{ text }}"', 'prompt_file = "prompts/p.txt"')
    loaded = load(tmp_path, text + '    system_file = "s.txt"\n')
    assert (loaded.prompt, loaded.prompt_name) == ("é {{ a }}\r\n", "prompts/p.txt")
    assert (loaded.system, loaded.system_name) == ("system\n", "s.txt")


def test_system_blocks_are_passed_on(tmp_path: Path) -> None:
    """Text blocks stay blocks, with their cache marks."""
    block = '{ type = "text", text = "a", cache_control = { type = "ephemeral" } }'
    loaded = load(tmp_path, PLAIN + f"    system = [{block}]\n")
    expected = [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]
    assert loaded.system == expected
    assert loaded.prompt == "{{ text }}"


def test_whole_requests_need_no_request_section(tmp_path: Path) -> None:
    """A Message Batches file holds the whole requests."""
    loaded = load(tmp_path, '[input]\npath = "b.jsonl"\nformat = "messages-batch"\n')
    assert (loaded.prompt, loaded.system) == (None, None)


WRONG = {
    "no sections": (
        "",
        [
            "FOLDER/demo.toml: the section [input] is missing",
            "FOLDER/demo.toml: [request] has no prompt",
            "FOLDER/demo.toml: request.model is missing",
            "FOLDER/demo.toml: request.max_tokens is missing",
        ],
    ),
    "misspelt section": (
        PLAIN + "[limit]\nconcurrency = 3\n",
        ["7: there is no section [limit]"],
    ),
    "key outside a section": (
        "max_tokens = 3\n" + PLAIN.replace("max_tokens", "top_k"),
        ["1: there is no section [max_tokens]", "5: request.max_tokens is missing"],
    ),
    "section that is a value": (
        "limits = 3\n" + PLAIN,
        ["1: [limits] must be a section"],
    ),
    "not built": (
        PLAIN.replace("[input]\n", "[input]\nsql = 'SELECT 1'\n") + "[labels]\nschema = 'a.json'\n",
        [
            (
                "2: input.sql is not available in this version: write the query's result to a "
                "Parquet file and name it in input.path"
            ),
            "9: labels.schema: no such file or directory: FOLDER/a.json",
        ],
    ),
    "after a long text": (
        PLAIN.replace('"{{ text }}"', '"""\n[x]\nconcurrency = 3\n{{ a }}"""')
        + "nope = 3\n[limits]\nconcurrency = 0\n",
        ["10: there is no key request.nope", "12: limits.concurrency must be at least 1, got 0"],
    ),
    "in an inline table": (
        PLAIN + 'metadata = { user_id = 2020-01-01 }\n[api]\nheaders = { authorization = "x" }',
        [
            "7: request.metadata.user_id is a date, which JSON does not have",
            "9: api.headers must not contain a key: a job file is shared and kept",
        ],
    ),
    "dotted keys": (
        PLAIN + "metadata.user_id = nan\n",
        ["7: request.metadata.user_id must be a finite number"],
    ),
    "templates": (
        PLAIN.replace("{{ text }}", "{{ text ")
        + "system = \"{% include 'x' %}\"\n[input.x]\n"
        + "[output]\n",
        [
            "6: request.prompt, line 1: unexpected end of input, expected end of variable block",
            "7: request.system, line 1: {% include %} is not available",
            "8: there is no key input.x",
        ],
    ),
    "expression": (
        PLAIN.replace('path = "in.jsonl"', 'path = "in.jsonl"\nwhere = "a = 1"'),
        ["3: input.where, line 1: unexpected `=`, expected end of block"],
    ),
    "missing file": (
        PLAIN.replace('prompt = "{{ text }}"', 'prompt_file = "gone.txt"'),
        ["6: request.prompt_file: no such file or directory: FOLDER/gone.txt"],
    ),
    "file that is a folder": (
        PLAIN + 'system_file = "."\n',
        ["7: request.system_file: is a directory: FOLDER"],
    ),
    "not TOML": ("[input]\npath = \n", ["2: the file is not TOML: invalid value"]),
    "cut off": ('[input]\npath = """a\n', ["2: the file is not TOML: unterminated string"]),
    "twice": (
        "[input]\npath = 'a'\npath = 'b'\n",
        ["3: the file is not TOML: cannot overwrite a value"],
    ),
    "nested too deep": (f"a = {'[' * 5000}", ["FOLDER/demo.toml: the file is nested too deep"]),
    "endless digits": (
        f"a = {'9' * 5000}",
        ["FOLDER/demo.toml: a number in the file has too many digits"],
    ),
    "a key in a comment": (
        PLAIN + f"# {KEY}\n[api]\nkey_env = '{KEY}'\n",
        [
            "7: this line holds an API key",
            "9: this line holds an API key",
            "9: api.key_env must be the name of an environment variable, not the key itself",
        ],
    ),
    "a key in a broken file": (
        f"[api]\nx = '{KEY}\n",
        ["2: this line holds an API key", '2: the file is not TOML: expected "\'"'],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_job_files(name: str, tmp_path: Path) -> None:
    """Each mistake is listed with its line, and there are no others."""
    text, expected = WRONG[name]
    text = "\n".join(line.strip() for line in text.strip("\n").split("\n")) + "\n"
    assert expected == mistakes(tmp_path, text)


def test_a_file_name_that_is_no_job_name_is_an_error(tmp_path: Path) -> None:
    """Such a file needs [job] name."""
    path = write(tmp_path, PLAIN, "my job.toml")
    with pytest.raises(JobFileError) as caught:
        load_job(path)
    (problem,) = caught.value.problems
    assert "job.name" in problem.message


@pytest.mark.parametrize("canary", [KEY, "canary"])
def test_no_key_and_no_prompt_is_repeated(canary: str, tmp_path: Path) -> None:
    """Mistakes name the key of the file; they never show a secret or a prompt."""
    values = {
        "request.model": f'["{canary}"]',
        "request.prompt": f'["a secret prompt {canary}"]',
        "api.headers": f'{{ x-api-key = "{canary}" }}',
        "input.format": f'"{canary}"',
        "job.name": f'"{canary} /"',
        "api.base_url": f'"http://{canary}.example.com"',
        "limits.timeout_s": f'"{canary}"',
    }
    lines = "".join(f"{key} = {value}\n" for key, value in values.items())
    overrides = [f"{key}={value}" for key, value in values.items()]
    problems = []
    for text, given_overrides in ((f"{lines}input.path = 'x'\n", []), (PLAIN, overrides)):
        with pytest.raises(JobFileError) as caught:
            load(tmp_path, text, *given_overrides)
        problems += caught.value.problems
        assert "canary" not in f"{caught.value!r}"
    assert len(problems) >= len(values)
    shown = "".join(f"{problem!r}" for problem in problems)
    assert "canary" not in shown
    assert "secret prompt" not in shown


def test_unreadable_job_files(tmp_path: Path) -> None:
    """A missing file, a folder and a file that is not UTF-8 are errors with their path."""
    (tmp_path / "bad.toml").write_bytes(b"# a\n# \xff\n")
    for path, message, line in (
        (tmp_path / "gone.toml", "no such file or directory", None),
        (tmp_path, "this is a folder, not a job file", None),
        (tmp_path / "bad.toml", "the file is not UTF-8", 2),
    ):
        with pytest.raises(JobFileError) as caught:
            load_job(path)
        (problem,) = caught.value.problems
        assert (problem.message, problem.file, problem.line) == (message, str(path), line)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("jbo.toml", "did you mean job.toml?"),
        ("JOB.TOML", "did you mean job.toml?"),
        ("job", "did you mean job.toml?"),
        ("other", "create one with: batcher init"),
        ("none/job.toml", "create one with: batcher init"),
    ],
)
def test_a_misspelt_job_file(tmp_path: Path, name: str, hint: str) -> None:
    """The hint has the name of the file that was meant, if there is one like it."""
    (tmp_path / "job.toml").touch()
    with pytest.raises(JobFileError) as caught:
        load_job(tmp_path / name)
    assert caught.value.problems[0].hint == hint


def test_a_byte_order_mark_and_windows_lines_are_accepted(tmp_path: Path) -> None:
    """A file saved by an editor on Windows is read, with the same line numbers."""
    path = tmp_path / "demo.toml"
    path.write_bytes(b"\xef\xbb\xbf" + dedent(PLAIN).replace("\n", "\r\n").encode())
    assert load_job(path).sources["request.prompt"] == "demo.toml:7"


def test_a_path_may_start_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``~`` is the home folder in every key that is a path, also with --set; nowhere else."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / "system.txt").write_text("S")
    (home / "prompt.txt").write_text("{{ text }}")
    (home / "labels.json").write_text('{"properties": {"label": {"enum": ["a", "b"]}}}')
    text = """
        [job]
        state = "~/state"
        [input]
        path = "~/data/*.jsonl"
        [request]
        model = "m"
        max_tokens = 10
        system_file = "~/system.txt"
        prompt_file = "~/prompt.txt"
        [labels]
        schema = "~/labels.json"
    """
    loaded = load(tmp_path, text, "output.path=~/out.parquet")
    assert loaded.job.input.path == f"{home}/data/*.jsonl"
    assert loaded.job.job.state == f"{home}/state"
    assert loaded.job.output.path == f"{home}/out.parquet"
    assert (loaded.system, loaded.prompt) == ("S", "{{ text }}")
    assert loaded.labels is not None
    inline = PLAIN.replace("{{ text }}", "~/ {{ text }}").replace("in.jsonl", "a~b.jsonl")
    loaded = load(tmp_path, inline)
    assert (loaded.prompt, loaded.job.input.path) == ("~/ {{ text }}", "a~b.jsonl")
