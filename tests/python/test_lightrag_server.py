"""lightrag-gunicorn with four workers on one store: the real server over HTTP, with a server of ours in place of the language
model and the embeddings. The workers find the storages by the entry point of the package alone."""
import asyncio
import base64
import concurrent.futures
import contextlib
import http.server
import importlib.util
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.request

import pytest

from lightrag_whole import OURS, lightrag_offline

ROOT = pathlib.Path(__file__).resolve().parents[2]
API = ("lightrag-hku[api]==1.5.7", "nano-vectordb==0.0.4.3", "networkx", "numpy")
API_CHECK = "import gunicorn, fastapi, openai, importlib.metadata as m; assert m.version('lightrag-hku') == '1.5.7'"
WORKERS, DIMENSION, DOCUMENTS = 4, 64, 24
TIMEOUT = 300
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))    # whatever proxy the environment names

# what a server would fetch from the network: the tokenizer's vocabulary
SITE = """
import tiktoken
class Encoding:
    def encode(self, text, **_): return list(map(ord, text))
    def decode(self, tokens): return "".join(map(chr, tokens))
tiktoken.encoding_for_model = tiktoken.get_encoding = lambda *_, **__: Encoding()
"""


class Model(http.server.BaseHTTPRequestHandler):
    """What LightRAG asks of OpenAI's interface."""
    protocol_version = "HTTP/1.1"
    embed = lightrag_offline.word_embeddings(DIMENSION).func

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(self.embeddings(asked) if self.path.endswith("/embeddings") else self.chat(asked)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @staticmethod
    def chat(asked):
        system = "".join(m["content"] for m in asked["messages"] if m["role"] == "system")
        prompt = asked["messages"][-1]["content"]
        text = asyncio.run(lightrag_offline.answer(prompt, system))
        return {"id": "1", "object": "chat.completion", "created": 1, "model": asked["model"], "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}

    def embeddings(self, asked):
        texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
        rows = asyncio.run(type(self).embed(texts))
        as_text = asked.get("encoding_format") == "base64"
        return {"object": "list", "model": asked["model"], "usage": {"prompt_tokens": 1, "total_tokens": 1}, "data": [
            {"object": "embedding", "index": i, "embedding": base64.b64encode(row.tobytes()).decode() if as_text else row.tolist()}
            for i, row in enumerate(rows)]}

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def model_server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()


def api_packages():
    spec = importlib.util.spec_from_file_location("peers_environment", ROOT / "bench/peers/environment.py")
    peers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peers)
    python = peers.python_with("venv-lightrag-api", API, API_CHECK)
    return subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True,
                          capture_output=True, text=True).stdout.strip()


def package_paths(tmp_path):
    """What PYTHONPATH needs besides: of a package that is not installed, its folder and its entry point."""
    import ragstore
    folder = pathlib.Path(ragstore.__file__).parents[1]
    if folder.is_relative_to(sys.prefix):
        return []
    about = tmp_path / "about" / "ragstore-0.dist-info"
    about.mkdir(parents=True)
    groups = tomllib.loads((ROOT / "python/pyproject.toml").read_text())["project"]["entry-points"]
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: ragstore\nVersion: 0\n")
    (about / "entry_points.txt").write_text("".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in names.items()) for group, names in groups.items()))
    return [str(folder), str(tmp_path / "about")]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, tmp_path, model):
        self.port, self.folder = free_port(), tmp_path
        (tmp_path / "site").mkdir(exist_ok=True)
        (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
        (tmp_path / ".env").write_text("")
        settings = {"HOST": "127.0.0.1", "PORT": self.port, "WORKERS": WORKERS, "WORKING_DIR": tmp_path / "rag_storage",
                    "INPUT_DIR": tmp_path / "inputs", "LLM_BINDING": "openai", "LLM_BINDING_HOST": model, "LLM_MODEL": "rule",
                    "LLM_BINDING_API_KEY": "none", "OPENAI_API_KEY": "none", "EMBEDDING_BINDING": "openai",
                    "EMBEDDING_BINDING_HOST": model, "EMBEDDING_BINDING_API_KEY": "none", "EMBEDDING_MODEL": "words",
                    "EMBEDDING_DIM": DIMENSION, "TIMEOUT": TIMEOUT, "CHUNK_SIZE": 1200, "CHUNK_OVERLAP_SIZE": 100,
                    "LIGHTRAG_API_KEY": "", "PYTHONDONTWRITEBYTECODE": 1,
                    "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
                    **{f"LIGHTRAG_{kind.upper()}": name for kind, name in OURS.items()},
                    "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *package_paths(tmp_path / f"{self.port}"),
                                                   api_packages()])}
        self.log = open(tmp_path / f"server-{self.port}.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen([sys.executable, "-m", "lightrag.api.run_with_gunicorn", "--workers", str(WORKERS)],
                                        cwd=tmp_path, env={**os.environ, **{k: str(v) for k, v in settings.items()}},
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)

    def ask(self, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method="GET" if body is None else "POST",
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with DIRECT.open(request, timeout=TIMEOUT) as answer:
            return json.loads(answer.read())

    def until(self, what, condition):
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            assert self.process.poll() is None, self.said()
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                if condition():
                    return
            time.sleep(0.3)
        pytest.fail(f"{what}: not within {TIMEOUT} s\n{self.said()}")

    def said(self):
        self.log.seek(0)
        return self.log.read()[-6000:]

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            os.killpg(self.process.pid, how)
            self.process.wait(TIMEOUT)
        self.log.close()


def town(number):
    return "Town" + "".join(chr(ord("a") + int(digit)) for digit in f"{number:02}")


def document(number):
    return f"In {town(number)} lives a captain. Alice came to {town(number)} with the White Rabbit. {town(number)} lies at a river."


@pytest.fixture
def server(tmp_path):
    with model_server() as model:
        running = []

        def start():
            running.append(Server(tmp_path, model))
            running[-1].until("the server", lambda: running[-1].ask("/health")["status"] == "healthy")
            return running[-1]

        yield start
        for each in running:
            each.stop(signal.SIGKILL)


def children(pid):
    """How many processes it has started that live."""
    done = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True, check=False)
    return len(done.stdout.split())


def counts(server):
    return {status.lower(): n for status, n in server.ask("/documents/status_counts")["status_counts"].items()}


def labels(server):
    return set(server.ask("/graph/label/list"))


def test_four_workers_over_http(server, tmp_path, ragstore_command):
    running = server()
    running.until("the workers", lambda: children(running.process.pid) >= WORKERS)    # the first may answer before the last is there
    with concurrent.futures.ThreadPoolExecutor(8) as senders:
        done = list(senders.map(lambda i: running.ask("/documents/text", {"text": document(i), "file_source": f"d{i}.txt"}),
                                range(DOCUMENTS)))
    assert {answer["status"] for answer in done} == {"success"}, done
    running.until("indexing", lambda: counts(running).get("processed", 0) == DOCUMENTS)
    wanted = {town(i) for i in range(DOCUMENTS)} | {"Alice", "White Rabbit"}
    for _ in range(3 * WORKERS):  # whichever worker answers
        assert wanted <= labels(running) and counts(running)["processed"] == DOCUMENTS
    with concurrent.futures.ThreadPoolExecutor(8) as askers:
        answers = list(askers.map(lambda i: running.ask("/query", {"query": f"Who came to {town(i)}?",
                                                                   "mode": "mix", "only_need_context": True}), range(8)))
    assert all(town(i) in answer["response"] for i, answer in enumerate(answers))
    running.stop(signal.SIGKILL)  # all of them, at once
    again = server()
    assert wanted <= labels(again) and counts(again)["processed"] == DOCUMENTS
    again.stop()
    done = subprocess.run([ragstore_command, "check", tmp_path / "rag_storage" / "ragstore", "--json"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout
