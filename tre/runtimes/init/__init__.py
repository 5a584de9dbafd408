"""The first process of a workspace: it seals, holds the end of time, and proves that the seal holds.

Guarantees: this package uses the standard library only and imports nothing else of the launcher, so that its
directory can be mounted read-only into any image and run as `python3 -I -S -B /opt/tre/init`.

* `main` is process number 1 of a workspace on every runtime. It takes its instruction from a descriptor (never
  from its command line), hides its memory, installs the seal, starts one child, and ends everything at once when
  the time is over, when it is told to, or when the child ends.
* `probe` tries, from inside, everything that must be impossible; `control` runs the same attempts in a namespace
  of its own where everything answers; `verdict` compares the two. An attempt counts only if its control answered.

Does not guarantee: limits of memory, processor time and disk (the runtime sets them), nor what the gateway
lets through to a person's screen.

Threats it answers: code of a researcher that wants a network socket, a namespace, the memory of the first
process, or to outlive the permission; a runtime or cluster that isolates less than it was believed to.
"""
