"""Builds the wheel and the sdist of ragstore (PEP 517): CMake compiles, this packs. Needs Python's standard library, CMake, a C
compiler and binutils; see docs/decisions/0017-python-wheel.md.

Runs in two places: in `python/` of the project's tree, and at the top of an unpacked sdist, which has the same tree below it
and the sources of SQLite and yyjson besides. The compiled files are kept in `build/python/cmake`, so that building
again is fast.
"""
import base64
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "python" / "cmake"
COPIES = ROOT / "third_party"              # of an sdist
SDIST_PARTS = ("CMakeLists.txt", "LICENSE", "README.md", "cmake", "include", "src", "python")
SKIPPED = {"__pycache__", "build"}
# what every Linux with a C library has (PEP 600); anything else would have to be brought along
PLATFORM_LIBRARIES = {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "libpthread.so.0", "libdl.so.2"}
LINKED_PACKAGES = ("libzstd-dev", "zlib1g-dev", "libexpat1-dev", "libssl-dev", "libutf8proc-dev")
OLDEST_TIME = (1980, 1, 1, 0, 0, 0)        # of zip files: the same sources give the same wheel


def project():
    with open(ROOT / "python" / "pyproject.toml", "rb") as file:
        return tomllib.load(file)["project"]


def version():
    text = (ROOT / "include/ragstore/version.h").read_text(encoding="utf-8")
    return re.search(r'#define RAG_VERSION_TEXT "(.*)"', text).group(1)


def base_name():
    return f"ragstore-{version()}"


# ---- compiling ------------------------------------------------------------------------------------------------------

def run(*command):
    print("+", *command, flush=True)
    subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL)


def compile_all():
    """Builds the extension and the command; returns their paths."""
    BUILD.mkdir(parents=True, exist_ok=True)
    options = [f"-DPython3_EXECUTABLE={sys.executable}", "-DCMAKE_BUILD_TYPE=Release", "-DRAGSTORE_PYTHON=ON",
               "-DRAGSTORE_ARCHIVES=ON", "-DRAGSTORE_BENCH=OFF", "-DRAGSTORE_EXAMPLES=OFF"]
    options += [f"-DRAGSTORE_{name.upper().removesuffix('3')}_DIR={COPIES / name}"
                for name in ("sqlite3", "yyjson") if (COPIES / name).is_dir()]
    options += os.environ.get("RAGSTORE_CMAKE_OPTIONS", "").split()
    if shutil.which("ninja"):
        options.append("-GNinja")
    run("cmake", "-S", ROOT, "-B", BUILD, *options)
    run("cmake", "--build", BUILD, "--target", "ragstore_python", "ragstore_command")
    return BUILD / "python" / "ragstore" / "_native.abi3.so", BUILD / "ragstore"


def platform_of(*files):
    """The manylinux tag that these files allow: the newest glibc whose symbols they use, unless they need more than glibc."""
    newest = (2, 17)
    for file in files:
        listed = subprocess.run(["objdump", "-p", str(file)], check=True, capture_output=True, text=True).stdout
        if set(re.findall(r"NEEDED\s+(\S+)", listed)) - PLATFORM_LIBRARIES:
            return "linux_x86_64"
        newest = max([newest] + [(int(a), int(b)) for a, b in re.findall(r"GLIBC_(\d+)\.(\d+)", listed)])
    return f"manylinux_{newest[0]}_{newest[1]}_x86_64"


def licences():
    """Name and text of the licences of everything that is inside a wheel."""
    yield "LICENSE", (ROOT / "LICENSE").read_bytes()
    for package in LINKED_PACKAGES:
        file = Path("/usr/share/doc", package, "copyright")
        if file.is_file():
            yield f"LICENSE.{package}", file.read_bytes()
    file = cached("RAGSTORE_YYJSON_DIR") / "LICENSE"
    if file.is_file():
        yield "LICENSE.yyjson", file.read_bytes()


def cached(variable):
    """The folder that CMake took a private copy from."""
    text = (BUILD / "CMakeCache.txt").read_text(encoding="utf-8")
    return Path(re.search(rf"^{variable}:\w+=(.*)$", text, re.M).group(1))


# ---- the wheel ------------------------------------------------------------------------------------------------------

def metadata():
    about = project()
    lines = ["Metadata-Version: 2.1", f"Name: {about['name']}", f"Version: {version()}",
             f"Summary: {about['description']}", f"License: {about['license']['text']}",
             f"Requires-Python: {about['requires-python']}"]
    lines += [f"Classifier: {classifier}" for classifier in about["classifiers"]]
    for extra, packages in about["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {package}; extra == "{extra}"' for package in packages]
    lines += ["Description-Content-Type: text/markdown", ""]
    return "\n".join(lines) + "\n" + (ROOT / "python/README.md").read_text(encoding="utf-8")


def entry_points():
    groups = project()["entry-points"].items()
    return "\n".join(line for group, names in groups
                     for line in (f"[{group}]", *(f"{name} = {value}" for name, value in names.items()), ""))


class Wheel:
    """A zip file that knows what is in it."""

    def __init__(self, path):
        self.zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9)
        self.record = []

    def add(self, name, data, mode=0o644):
        info = zipfile.ZipInfo(name, OLDEST_TIME)
        info.external_attr = (0o100000 | mode) << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        self.zip.writestr(info, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.record.append(f"{name},sha256={digest},{len(data)}")

    def close(self, record_name):
        self.add(record_name, "\n".join([*self.record, f"{record_name},,", ""]).encode())
        self.zip.close()


def stripped(file):
    """The bytes of a compiled file without what is for debuggers."""
    copy = file.with_name(file.name + ".stripped")
    run("strip", "-o", copy, file)
    data = copy.read_bytes()
    copy.unlink()
    return data


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    extension, command = compile_all()
    tag = f"cp311-abi3-{platform_of(extension, command)}"
    name = f"{base_name()}-{tag}.whl"
    path = Path(wheel_directory, name)
    unfinished = path.with_suffix(".new")
    wheel = Wheel(unfinished)
    package = ROOT / "python/src/ragstore"
    for file in sorted(package.rglob("*")):
        if file.suffix in (".py", ".pyi") or file.name == "py.typed":
            wheel.add(f"ragstore/{file.relative_to(package)}", file.read_bytes())
    wheel.add("ragstore/_native.abi3.so", stripped(extension), 0o755)
    wheel.add(f"{base_name()}.data/scripts/ragstore", stripped(command), 0o755)
    info = f"{base_name()}.dist-info"
    for licence, text in licences():
        wheel.add(f"{info}/licenses/{licence}", text)
    wheel.add(f"{info}/METADATA", metadata().encode())
    wheel.add(f"{info}/entry_points.txt", entry_points().encode())
    wheel.add(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: ragstore\nRoot-Is-Purelib: false\nTag: {tag}\n".encode())
    wheel.close(f"{info}/RECORD")
    unfinished.rename(path)
    return name


# ---- the sdist ------------------------------------------------------------------------------------------------------

def sdist_files():
    """(name in the archive, path) of everything that a build needs."""
    for part in SDIST_PARTS:
        top = ROOT / part
        for file in sorted(top.rglob("*")) if top.is_dir() else [top]:
            inside = file.relative_to(ROOT)
            if file.is_file() and not SKIPPED.intersection(inside.parts) and file.suffix != ".pyc":
                yield str(inside), file
    for copy, variable in (("sqlite3", "RAGSTORE_SQLITE_DIR"), ("yyjson", "RAGSTORE_YYJSON_DIR")):
        for file in sorted(cached(variable).iterdir()):
            yield f"third_party/{copy}/{file.name}", file


def build_sdist(sdist_directory, config_settings=None):
    if not (BUILD / "CMakeCache.txt").is_file():
        compile_all()    # also finds the private copies
    top = base_name()
    pyproject = (ROOT / "python/pyproject.toml").read_text(encoding="utf-8")
    pyproject = pyproject.replace('backend-path = ["."]', 'backend-path = ["python"]')
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        def add(name, data, mode=0o644):
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
        add("pyproject.toml", pyproject.replace('readme = "', 'readme = "python/').encode())
        add("PKG-INFO", metadata().encode())
        for name, file in sdist_files():
            add(name, file.read_bytes(), 0o755 if os.access(file, os.X_OK) else 0o644)
    name = f"{top}.tar.gz"
    with open(Path(sdist_directory, name), "wb") as out:
        out.write(gzip.compress(packed.getvalue(), mtime=0))
    return name
