"""How a plan looks: colours that stay apart for everybody, in print, too; one column where it is narrow.

Guarantees: every rule of `PLAN` holds inside an element of the class `plan` only, so that a plan can stand within
another page; `STYLE` is that and the page around it.
"""

PLAN = """\
.plan { color: #212b32; font: 1.05rem/1.5 Arial, sans-serif; }
.plan * { box-sizing: border-box; }
.plan h1 { font-size: 2rem; line-height: 1.2; margin: 0.5rem 0; }
.plan h2 { font-size: 1.4rem; margin: 0 0 0.75rem; }
.plan h3 { font-size: 1.1rem; margin: 1.75rem 0 0.25rem; }
.plan p { margin: 0 0 0.75rem; max-width: 44rem; }
.plan ul { margin: 0 0 0.75rem; padding-left: 1.25rem; }
.plan .lead { font-size: 1.15rem; }
.plan section { background: #fff; border: 1px solid #d8dde0; border-top: 4px solid #005eb8; padding: 1.25rem;
  margin: 1.5rem 0; }
.plan .tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 1rem; margin: 1.25rem 0; }
.plan .tiles div { display: flex; flex-direction: column-reverse; background: #fff; border: 1px solid #d8dde0;
  padding: 1rem; }
.plan .tiles dd { margin: 0; font-size: 1.6rem; font-weight: bold; }
.plan .row { display: grid; grid-template-columns: 13rem 1fr 18rem; gap: 0.25rem 1rem; align-items: center;
  padding: 0.35rem 0; border-top: 1px solid #e8edee; }
.plan .label { overflow-wrap: anywhere; }
.plan .said { font-variant-numeric: tabular-nums; }
.plan .bars svg { display: block; width: 100%; height: 0.7rem; margin: 2px 0; }
.plan .ground { fill: #f0f4f5; }
.plan .ours { fill: #005eb8; background: #005eb8; }
.plan .all { fill: #768692; background: #768692; }
.plan .reference { fill: #ae2573; background: #ae2573; }
.plan .warn { fill: #d5281b; }
.plan .flag { display: inline-block; color: #212b32; background: #ffeb3b; padding: 0 0.35rem; font-size: 0.9rem; }
.plan .more { color: #4c6272; padding-top: 0.35rem; margin: 0; }
.plan .verdict { font-weight: bold; border-left: 4px solid #005eb8; padding-left: 0.75rem; }
.plan .legend span { margin-right: 1.5rem; white-space: nowrap; }
.plan .legend i { display: inline-block; width: 0.9rem; height: 0.9rem; margin-right: 0.4rem; vertical-align: -0.1rem; }
.plan .scroll { overflow-x: auto; padding: 0 2px; }
.plan table { border-collapse: collapse; width: 100%; margin: 0; }
.plan th, .plan td { text-align: left; vertical-align: top; padding: 0.4rem 0.75rem 0.4rem 0;
  border-top: 1px solid #d8dde0; }
.plan code { overflow-wrap: anywhere; background: #e8edee; padding: 0 0.2rem; }
@media (max-width: 46rem) {
  .plan .tiles { grid-template-columns: repeat(2, 1fr); }
  .plan .row { grid-template-columns: 1fr; }
  .plan thead { display: none; }
  .plan table, .plan tbody, .plan tr, .plan th, .plan td { display: block; }
  .plan th, .plan td { border: 0; padding: 0.1rem 0; }
  .plan tr { border-top: 1px solid #d8dde0; padding: 0.35rem 0; }
}
@media print {
  .plan section { break-inside: avoid-page; }
  .plan svg, .plan .legend i { print-color-adjust: exact; }
}
"""

STYLE = (
    """\
:root { color-scheme: light; }
body { margin: 0; background: #f0f4f5; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
@media print { body { background: #fff; } }
"""
    + PLAN
)
