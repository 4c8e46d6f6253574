"""Has cfn-lint look at a CloudFormation template, then prints what its reader made of it as JSON."""

import json
import sys

from cfnlint import lint_all
from cfnlint.decode import decode

with open(sys.argv[1], encoding="utf-8") as file:
    # As its command line does: what is merely informational is no flaw.
    flaws = [flaw for flaw in lint_all(file.read()) if flaw.rule.id[0] in "EW"]
for flaw in flaws:
    print(flaw, file=sys.stderr)
template, _ = decode(sys.argv[1])
print(json.dumps(template))
sys.exit(bool(flaws))
