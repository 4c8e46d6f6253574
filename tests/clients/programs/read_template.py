"""Has cfn-lint look at CloudFormation templates, then prints what its reader made of them as a list in JSON."""

import json
import sys

from cfnlint import lint_all
from cfnlint.decode import decode

templates, flaws = [], []
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        # As its command line does: what is merely informational is no flaw.
        flaws += [f"{path}: {flaw}" for flaw in lint_all(file.read()) if flaw.rule.id[0] in "EW"]
    templates.append(decode(path)[0])
for flaw in flaws:
    print(flaw, file=sys.stderr)
print(json.dumps(templates))
sys.exit(bool(flaws))
