"""Writes tickets.csv: 480 made-up support tickets in three classes, the same for every run.

    python examples/data/make_tickets.py

The classes share words on purpose (an invoice that cannot be opened is `technical`, a refund after a closed account is
`billing`), and one ticket in sixteen was filed under the wrong heading, as happens: a model can learn the task well
but not perfectly.
"""

import csv
import random
from pathlib import Path

CLASSES = ("account", "billing", "technical")

OPENINGS = [
    "Hi,",
    "Hello,",
    "Good morning,",
    "Dear team,",
    "Hi there,",
    "Hello support,",
    "Please help:",
    "Quick one:",
]
SINCE = [
    "since yesterday",
    "since the last update",
    "since Monday",
    "for two weeks now",
    "as of this morning",
    "after the holidays",
    "since we moved offices",
    "since I changed my phone",
]
THINGS = [
    "the invoice",
    "the monthly report",
    "my profile",
    "the team calendar",
    "the shared folder",
    "our subscription page",
    "the payment form",
    "the export",
    "the mobile app",
    "the dashboard",
]
PEOPLE = [
    "my colleague",
    "our new bookkeeper",
    "the intern",
    "my business partner",
    "a former employee",
    "our accountant",
    "the office manager",
    "my assistant",
]
AMOUNTS = ["12 euros", "19.90", "48 dollars", "99 euros", "a full month", "250 dollars", "7.50", "the yearly price"]
CLOSINGS = [
    "Thanks in advance.",
    "Please advise.",
    "What can I do?",
    "This is getting urgent.",
    "Any idea?",
    "Best regards.",
    "Could someone look into it?",
    "I have attached a screenshot.",
    "We need this by Friday.",
    "No hurry.",
]

BODIES = {
    "account": [
        "{people} has left and I want to take over the login that was used for {thing}.",
        "please change the e-mail address of {people}, who still cannot see {thing}.",
        "I forgot my password {since} and the reset mail never reaches me.",
        "how do I add {people} to our team without paying for another seat?",
        "someone signed in as {people} {since}; please lock that user.",
        "I would like to delete everything you have about me, {thing} included.",
        "{people} asks for two-step sign-in, but my old phone number is still registered.",
        "we were locked out {since} because the code goes to {people}.",
        "can {people} become the owner instead of me? I am leaving the company.",
        "my name is misspelled on {thing} and I am not allowed to edit it.",
        "two of my users are really one person; can they be merged?",
        "{people} married and needs another surname on {thing}.",
        "who else is able to see what {people} writes?",
        "I never asked for your newsletter; take {people} off the list.",
        "what rights does a guest have, compared with {people}?",
        "we want to sign in with the company directory instead of separate passwords.",
        "the invitation for {people} has run out; could you send a new one?",
        "I typed the wrong code too often and am shut out {since}.",
        "only {people} may approve changes, and is on leave {since}.",
        "is there a list of everybody who has opened {thing}?",
        "please move {people} to the other department's workspace.",
        "I lost the phone with my codes on it {since}.",
        "how long do you keep my records after I go?",
        "{people} should read {thing} but not change it.",
    ],
    "billing": [
        "you took {amount} twice from our card {since}.",
        "I cancelled with {people} before the trial ended and was still charged {amount}.",
        "please send {thing} again with our new tax number; {people} needs it.",
        "why did the price go up by {amount} {since}? Nobody told {people}.",
        "we closed one user, {people}, but are still paying {amount} for it.",
        "the discount of {amount} does not show on {thing}.",
        "can we pay by bank transfer? {people} has no credit card.",
        "our card expired {since} and now {thing} says that the plan is on hold.",
        "{people} wants a refund of {amount}, since we never used {thing}.",
        "is it possible to switch to yearly payment and get {amount} back?",
        "a charity like ours should get a lower rate, says {people}.",
        "what would three more seats cost us?",
        "there is a reminder about {amount} that was settled {since}.",
        "our bank shows a withdrawal that {people} cannot explain.",
        "please put the order number on {thing}, or we are not able to settle it.",
        "the exchange rate you applied costs us {amount}.",
        "we were moved to the larger plan without being asked {since}.",
        "does the free version end by itself, or do I owe {amount} then?",
        "VAT is listed although {people} gave you our number.",
        "I need a receipt for last year; {people} is doing the taxes.",
        "the voucher from {people} is said to be invalid.",
        "stop taking money for {thing}: we left {since}.",
        "where do I enter the purchase order?",
        "you owe us {amount} for the days on which nothing worked.",
    ],
    "technical": [
        "{thing} shows a blank page {since}, on every computer of {people}.",
        "when {people} opens {thing}, it says error 500 and signs out.",
        "{thing} is very slow {since}; it takes minutes to load.",
        "uploading {thing} stops at 99 percent for {people}.",
        "the button that should send {thing} does nothing {since}.",
        "numbers in {thing} differ from what {people} sees: we expected {amount}.",
        "notifications about {thing} come twice {since}.",
        "{thing} cannot be opened as PDF any more; {people} gets a broken file.",
        "your API answers with a timeout {since} whenever we ask for {thing}.",
        "after the password page, {thing} freezes and {people} has to restart.",
        "letters such as ü and ç come out as question marks in {thing}.",
        "the search finds nothing, not even words that {people} reads on the screen.",
        "half of {thing} is cut off when I print it.",
        "the clock is one hour off {since}.",
        "{people} types, and the text appears seconds later.",
        "dragging a card makes the whole browser crash.",
        "dark mode hides the labels of {thing}.",
        "the webhook has not fired {since}.",
        "on a tablet, the menu covers {thing}.",
        "attachments over five megabytes vanish without a word.",
        "{thing} and the phone do not sync {since}.",
        "sorting by date puts {thing} in random order.",
        "charts are empty unless {people} reloads three times.",
        "the installer complains about a missing library.",
    ],
}


def ticket(label: str, generator: random.Random) -> str:
    """One ticket's text."""
    pick = generator.choice
    body = pick(BODIES[label]).format(thing=pick(THINGS), people=pick(PEOPLE), since=pick(SINCE), amount=pick(AMOUNTS))
    return f"{pick(OPENINGS)} {body} {pick(CLOSINGS)}"


def main() -> None:
    """Write the file next to this script."""
    generator = random.Random(7)
    texts: dict[str, str] = {}
    while len(texts) < 480:
        label = CLASSES[len(texts) % 3]
        filed = generator.choice([name for name in CLASSES if name != label]) if len(texts) % 16 == 5 else label
        texts.setdefault(ticket(label, generator), filed)
    rows = list(texts.items())
    generator.shuffle(rows)
    with (Path(__file__).parent / "tickets.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["ticket", "message", "team"])
        writer.writerows((f"T{1001 + i}", text, label) for i, (text, label) in enumerate(rows))


if __name__ == "__main__":
    main()
