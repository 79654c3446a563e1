"""pyright over the package, laid out as it is installed (in the tree, nimble_mlir.dialects lies in dialects/)."""

import json
import shutil
import subprocess
import sys

from project_files import ROOT, package_files, pyproject


def test_pyright_finds_nothing(tmp_path):
    origin = {}
    for installed, path in package_files().items():
        copy = tmp_path / "nimble_mlir" / installed
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        origin[str(copy)] = path
    settings = pyproject()["tool"]["pyright"]
    config = {**settings, "include": ["nimble_mlir"], "stubPath": str(ROOT / settings["stubPath"])}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    found = [
        f"{origin[entry['file']]}:{entry['range']['start']['line'] + 1}: {entry['message']} ({entry.get('rule')})"
        for entry in report["generalDiagnostics"]
        if entry["severity"] == "error"
    ]
    assert not found, "\n".join(found)
    assert report["summary"]["filesAnalyzed"] >= len([name for name in origin if name.endswith(".py")])
