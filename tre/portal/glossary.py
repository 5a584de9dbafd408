"""Every word of the public pages that needs explaining, and what it means.

Guarantees: sentences are short and their words common; a test measures both.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A word, what it means, and its place on the page."""

    word: str
    meaning: str

    @property
    def anchor(self) -> str:
        """The part of the address that leads to it."""
        return self.word.lower().replace(" ", "-")


WORDS: tuple[Entry, ...] = (
    Entry("Access", "To be let in to read some data. It starts on one day and ends on another."),
    Entry("Anonymous", "It does not show who a person is. Health data can never be made fully anonymous."),
    Entry("Approval", "A yes from the committee. It says who may do what, with which data, and until when."),
    Entry("Checker", "A person who looks at each file before it may leave. They are not part of the project."),
    Entry("Committee", "A group of people who say yes or no to each project. Patients can be part of it."),
    Entry("Company badge", "It shows that a project is done by a firm that works to make money."),
    Entry("Complaint", "You tell us that we did something badly. We must answer you in a set time."),
    Entry("Data", "Facts that are written down. Here these are scans and notes from the care of patients."),
    Entry("Dataset", "A set of data that belongs together, such as chest scans from some hospitals."),
    Entry("Declined", "The committee said no. The project does not get in, and we say why."),
    Entry("DOI", "A number that always leads to the same paper, even if the paper moves."),
    Entry("Exception", "A file did not keep a rule, but it was safe to let it go. The reason is written down."),
    Entry("Have your say", "We want to change a rule. You can tell us what you think before we do it."),
    Entry("Incident", "Something went wrong. We tell you what it was and what we did."),
    Entry("JSON", "The same page in a form that a computer can read."),
    Entry("Log", "A list of all that was done. It can not be changed without people seeing that."),
    Entry("Opt out", "To say no to the use of your data for research. Your care stays the same."),
    Entry("Outcome", "What came of a project: a paper, a tool, better care, or nothing yet."),
    Entry("Policy", "A list of rules that we have to keep. Each rule has a name and a value."),
    Entry("Project", "A piece of work with one aim. A team does it and the committee has said yes to it."),
    Entry("Release", "A version of a dataset with a date. It also means to let a checked file go out."),
    Entry("Researcher", "A person who studies data to find out something new."),
    Entry("Trusted research environment", "A closed place where people can study data. The data never leaves it."),
    Entry("UTC", "The clock that the whole world shares. In summer it is one hour behind the clock in London."),
    Entry("Working day", "A day on which our team works: Monday to Friday, but not on holidays."),
)
