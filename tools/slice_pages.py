"""The schema of slice specifications, for editors and for programs that write them."""

from __future__ import annotations

import json
from typing import Any

from tre.domain.slices import vocabulary as words
from tre.domain.slices.spec import SliceSpec

CLOSED = {
    "modality": words.MODALITIES,
    "body_part": words.BODY_PARTS,
    "view_position": words.VIEW_POSITIONS,
    "burned_in_annotation": words.YES_NO,
    "covid_status": words.COVID_STATUSES,
    "sex": words.SEXES,
    "ethnicity_group": words.ETHNICITY_GROUPS,
}
"""Keys whose words are a closed set: shown as examples, since any case and known dirty spellings are taken, too."""


def slice_schema() -> str:
    """The JSON Schema of the slice language."""
    schema = SliceSpec.model_json_schema(by_alias=True)
    for kind in ("ImageConditions", "PatientConditions"):
        for key, known in CLOSED.items():
            if (found := schema["$defs"][kind]["properties"].get(key)) is not None:
                _items(found)["examples"] = [*sorted(known), words.UNKNOWN]
    columns = schema["$defs"]["ClinicalTable"]["properties"]["columns"]
    columns["description"] = f"Columns in order: {', '.join(words.CLINICAL_COLUMNS)}, and those under derive."
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema, indent=2) + "\n"


def _items(found: dict[str, Any]) -> dict[str, Any]:
    array = next(branch for branch in found["anyOf"] if branch.get("type") == "array")
    items: dict[str, Any] = array["items"]
    return items
