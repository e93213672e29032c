"""The wheel and the sdist: what is in them, for which machines, and that they build and install."""
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

import ragstore

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "python"
COMPILED = OUT / "cmake"
CACHE = {name: os.environ[name] for name in ("HOME", "RAGSTORE_CACHE", "XDG_CACHE_HOME") if name in os.environ}


def output(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=1200, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel():
    found, = OUT.glob("ragstore-*.whl")
    return found


@pytest.fixture(scope="module")
def sdist():
    found, = OUT.glob("ragstore-*.tar.gz")
    return found


@pytest.fixture(scope="module")
def extension(wheel, tmp_path_factory):
    return zipfile.ZipFile(wheel).extract("ragstore/_native.abi3.so", tmp_path_factory.mktemp("wheel"))


def test_it_is_what_is_installed(wheel):
    inside = zipfile.ZipFile(wheel).read("ragstore/_native.abi3.so")
    assert pathlib.Path(ragstore._native.__file__).read_bytes() == inside
    for file in (ROOT / "python/src/ragstore").rglob("*.py*"):    # nobody forgot to build it anew
        if file.suffix in (".py", ".pyi"):
            name = f"ragstore/{file.relative_to(ROOT / 'python/src/ragstore')}"
            assert zipfile.ZipFile(wheel).read(name) == file.read_bytes(), name


def test_one_name_is_let_out(extension):
    names = [line.split()[-1] for line in output("nm", "-D", "--defined-only", extension).splitlines()]
    assert names == ["PyInit__native"]


def test_only_the_c_library_is_needed(wheel, extension):
    """The tag is the one that auditwheel would give, and nothing has to be there that a Linux may not have."""
    tag = re.search(r"manylinux_2_\d+_x86_64", wheel.name).group()
    said = " ".join(output(sys.executable, "-m", "auditwheel", "show", wheel).split())
    assert f'constrains the platform tag to "{tag}"' in said or f'consistent with the following platform tag: "{tag}"' in said
    needed = set(re.findall(r"NEEDED\s+(\S+)", output("objdump", "-p", extension)))
    assert needed <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}


def test_stable_interface(wheel):
    said = output(sys.executable, "-m", "abi3audit", "--strict", "--verbose", wheel)
    assert "abi3" in said or not said


# not tzcnt, which older processors run as bsf: compilers use it for that
NEWER = re.compile(r"^\s+[0-9a-f]+:\s+(v[a-z0-9]+\s|popcnt|[a-z0-9]+\s.*%[yz]mm|pshufb|pmulld|blend|ptest|crc32|lzcnt)", re.M)


def test_plain_x86_64():
    """No instruction newer than SSE2 outside the files that are chosen at run time. libcrypto chooses by itself."""
    chosen = {"kernels_avx2.c.o", "kernels_avx512.c.o", "kernels_popcnt.c.o"}
    objects = [path for path in COMPILED.rglob("*.o") if path.name not in chosen and path.name != "libragstore.o"]
    assert len(objects) > 100
    seen = set()
    for path in COMPILED.rglob("kernels_avx2.c.o"):    # the search can find
        seen.add(bool(NEWER.search(output("objdump", "-d", "--no-show-raw-insn", path))))
    assert seen == {True}
    listed = output("objdump", "-d", "--no-show-raw-insn", *objects)
    assert NEWER.findall(listed) == []


def test_what_is_in_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"ragstore/__init__.py", "ragstore/_native.pyi", "ragstore/py.typed"} <= names
    licences = {name.rsplit("/", 1)[1] for name in names if "/licenses/" in name}
    assert {"LICENSE", "LICENSE.yyjson", "LICENSE.libssl-dev", "LICENSE.libzstd-dev"} <= licences
    metadata = zipfile.ZipFile(wheel).read(f"ragstore-{ragstore.__version__}.dist-info/METADATA").decode()
    assert "Requires-Python: >=3.11" in metadata and "import ragstore" in metadata


def test_the_command_comes_with_it(tmp_path):
    command = pathlib.Path(sys.executable).with_name("ragstore")
    assert ragstore.__version__ in output(command, "--version")
    output(command, "import", ROOT / "tests/data/alice", tmp_path / "s")
    with ragstore.open(tmp_path / "s") as store:
        assert len(store.kv("full_docs")) > 0 and store.graph.count()[0] > 0


def test_built_again_it_is_the_same(wheel, tmp_path):
    """The bytes depend on the sources alone."""
    program = "import sys; sys.path.insert(0, '.'); import build_backend; build_backend.build_wheel(sys.argv[1])"
    output(sys.executable, "-B", "-c", program, tmp_path, cwd=ROOT / "python", env={"PATH": "/usr/bin:/bin", **CACHE})
    again, = tmp_path.glob("*.whl")
    assert again.name == wheel.name and again.read_bytes() == wheel.read_bytes()


def test_sdist_builds(sdist, tmp_path):
    """pip makes a wheel of it, without the tree, without the caches and without an index; it can be imported."""
    with tarfile.open(sdist) as tar:
        names = tar.getnames()
    top = names[0].split("/")[0]
    assert all(name.startswith(f"{top}/") and ".." not in name for name in names)
    assert f"{top}/third_party/sqlite3/sqlite3.c" in names and not any("/tests/" in name for name in names)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home"), "CMAKE_BUILD_PARALLEL_LEVEL": "2",
                   "RAGSTORE_CMAKE_OPTIONS": "-DCMAKE_C_FLAGS_RELEASE=-O0"}    # only whether it builds
    output(sys.executable, "-m", "pip", "wheel", "--no-index", "--no-deps", "--no-cache-dir", "-w", tmp_path, sdist,
           cwd=tmp_path, env=environment)
    built, = tmp_path.glob("*.whl")
    target = tmp_path / "target"
    output(sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--target", target, built)
    program = "import ragstore; s = ragstore.open('memory:'); s.kv('x')['a'] = {}; print(len(s.kv('x')), ragstore.__file__)"
    said = output(sys.executable, "-c", program, cwd=tmp_path, env={"PYTHONPATH": str(target)})
    assert said.split() == ["1", str(target / "ragstore/__init__.py")]


# ---- types ----------------------------------------------------------------------------------------------------------

def test_stubs_are_true(tmp_path):
    """mypy compares the stub of the extension with what is there; arguments of methods: test_methods.py."""
    (tmp_path / "allowed").write_text("ragstore._native.Row\nragstore._native.Pair\n")    # names for types only
    output(sys.executable, "-m", "mypy.stubtest", "--allowlist", "allowed", "ragstore._native", cwd=tmp_path)


def test_types_of_the_package():
    package = pathlib.Path(ragstore.__file__).parent
    output(sys.executable, "-m", "mypy", "--strict", "--cache-dir=/dev/null", package / "_stores.py", package / "__init__.py",
           cwd=OUT)


def test_types_of_a_program(tmp_path):
    """A program that uses it well has no findings; one that does not has them."""
    (tmp_path / "good.py").write_text("""
import ragstore
with ragstore.open("memory:") as store:
    value: dict[str, object] = store.kv("x")["a"]
    score: float = store.vectors("v").search([1.0])[0].score
    with store.transaction() as txn:
        txn.graph.put_node("A", {"x": 1})
    total: int = sum(len(key) for key, _ in store.kv("x").items())
""")
    (tmp_path / "bad.py").write_text("import ragstore\nnumber: int = ragstore.open('memory:').kv('x')['a']\n")
    output(sys.executable, "-m", "mypy", "--strict", "--cache-dir=/dev/null", "good.py", cwd=tmp_path)
    with pytest.raises(AssertionError, match="Incompatible types"):
        output(sys.executable, "-m", "mypy", "--strict", "--cache-dir=/dev/null", "bad.py", cwd=tmp_path)
