"""Explanations: one deterministic text for each error kind and verb."""

from __future__ import annotations

import re

from .inflect import Verb
from .sentence import NP

_CAPITALS = re.compile(
    r"\b(?:i|(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|may|june|july"
    r"|august|september|october|november|december|christmas|easter)\b"
)
FULL = {"'s": "is", "'re": "are", "'m": "am", "'ve": "have", "'d": "had", "'ll": "will"}


def becomes(reason: str, wrong: str, right: str) -> str:
    """A reason, and what it changes."""
    return f"{reason}: '{wrong}' becomes '{right}'."


def aux_name(aux: str) -> str:
    """How an auxiliary is named in an explanation: lower case, straight, written out."""
    aux = aux.lower().replace("’", "'")
    return FULL.get(aux, aux)


def overregular(v: Verb) -> str:
    """goed."""
    form = "" if v.past.endswith("ed") else "the irregular form "  # shown
    return f"The past tense of '{v.lemma}' is {form}'{v.past}'."


def misspelled(v: Verb, participle: bool = False) -> str:
    """stoped."""
    name = "past participle" if participle else "past tense"
    base = v.lemma
    if v.past == base + base[-1] + "ed":
        why = f", with the '{base[-1]}' doubled"
    elif base.endswith("y") and v.past.endswith("ied"):
        why = ", with 'y' changed to 'i'"
    elif base.endswith("y"):
        why = ", and the 'y' stays after a vowel"
    elif v.past.endswith("cked") and base.endswith("c"):
        why = ", with a 'k' after the 'c'"
    elif base.endswith("e"):
        why = ", with only a 'd' after the 'e'"
    else:
        why = f", with a single '{base[-1]}'"
    return f"The {name} of '{base}' is spelled '{v.past}'{why}."


def slip(v: Verb, participle: bool = False) -> str:
    """happend."""
    name, form = ("past participle", v.pp) if participle else ("past tense", v.past)
    return f"The {name} of '{v.lemma}' is spelled '{form}'."


def doubled(v: Verb) -> str:
    """wented."""
    return f"'{v.past.capitalize()}' is already the past tense of '{v.lemma}', so it takes no -ed."


def parts(v: Verb) -> str:
    """The principal parts."""
    return f"the principal parts of '{v.lemma}' are '{v.lemma}', '{v.past}', '{v.pp}'."


def participle_have(aux: str, v: Verb) -> str:
    """has went. `aux` in full ('has', 'had', "haven't")."""
    return f"After '{aux}', use the past participle: {parts(v)}"


def participle_passive(aux: str, v: Verb) -> str:
    """was broke."""
    return f"A passive needs the past participle after '{aux}': {parts(v)}"


def participle_alone(v: Verb) -> str:
    """a letter write by my aunt."""
    return f"Without a form of 'be', a passive is the past participle alone: {parts(v)}"


def active_alone(v: Verb) -> str:
    """the woman sit next to me."""
    return f"Without a form of 'be', what somebody is doing is the -ing form alone: '{v.ing}'."


def born() -> str:
    """was borned."""
    return "'Born' is already the past participle, so it takes no -ed."


def birth(wrong: str, right: str) -> str:
    """I am born in Rome."""
    return becomes("A birth is in the past", wrong, right)


def s_missing(wrong: str, right: str) -> str:
    """she go."""
    return f"With a third-person singular subject, '{wrong}' becomes '{right}'."


def s_added(right: str) -> str:
    """they goes."""
    return f"Only a third-person singular subject takes -s, so the verb is '{right}'."


def be_agreement(subj: NP, wrong: str, right: str) -> str:
    """they was."""
    if subj.pron.lower() == "i":
        who = "'I'"
    elif subj.pron.lower() == "you":
        who = "'You'"
    else:
        who = "A plural subject" if subj.num == "p" else "A singular subject"
    return f"{who} takes '{right}', not '{wrong}'."


def after_did(word: str, v: Verb) -> str:
    """did he went, let him goes."""
    return f"After '{word}', use the base form '{v.lemma}'."


def after_modal(modal: str, base: str) -> str:
    """can sings."""
    return f"After the modal '{modal}', use the base form '{base}'."


def after_to(base: str) -> str:
    """wants to went."""
    return f"After 'to', use the base form '{base}'."


def progressive(aux: str, v: Verb) -> str:
    """is work."""
    return f"After '{aux}', the progressive needs the -ing form '{v.ing}'."


def no_be(aux: str, wrong: str, right: str) -> str:
    """am agree."""
    return f"'{wrong.capitalize()}' needs no '{aux}': '{aux} {wrong}' becomes '{right}'."


def modal_to(modal: str) -> str:
    """must to go."""
    return f"After the modal '{modal}', the base form stands without 'to'."


def gerund(trigger: str, v: Verb) -> str:
    """without say."""
    return f"After '{trigger}', use the -ing form '{v.ing}'."


def gerund_subject(v: Verb) -> str:
    """swim is fun."""
    return f"As a subject, '{v.lemma}' takes the -ing form '{v.ing}'."


def feeling(v: Verb, feels: bool) -> str:
    """I am boring."""
    who, what = ("Who feels it", "what causes it") if feels else ("What causes it", "who feels it")
    mine, other = (v.pp, v.ing) if feels else (v.ing, v.pp)
    return f"{who} is '{mine}', {what} is '{other}'."


def perfect_past(marker: str, wrong: str, right: str) -> str:
    """I have seen it two days ago."""
    verb = "asks for" if marker in {"when", "what time"} else "names"
    time = _quoted_first(marker)
    return f"'{time}' {verb} a time that is over, so '{wrong}' becomes '{right}'."


def state(lemma: str, wrong: str, right: str) -> str:
    """I am knowing."""
    what = lemma.capitalize()
    return becomes(f"'{what}' is a state here and takes no progressive", wrong, right)


def time_clause(trigger: str, wrong: str, right: str) -> str:
    """when I will arrive."""
    return becomes(f"After '{trigger}', the present stands for the future", wrong, right)


def since_perfect(wrong: str, right: str) -> str:
    """I live here since 2010."""
    return becomes("What lasts until now is in the present perfect", wrong, right)


def missing(verb: str, wrong: str, right: str) -> str:
    """my mother cooking dinner; he gone home."""
    return becomes(f"A form of '{verb}' is missing", wrong, right)


def infinitive(trigger: str, wrong: str, right: str) -> str:
    """decided studying."""
    return becomes(f"After '{trigger}', use the infinitive", wrong, right)


def question_do(do: str, wrong: str, right: str) -> str:
    """what you want?"""
    return becomes(f"The question needs '{do}'", wrong, right)


def question_order(auxiliary: str, subject: str, wrong: str, right: str) -> str:
    """where you are going?"""
    return becomes(f"In a question, '{auxiliary}' stands before '{subject}'", wrong, right)


def indirect_question(wrong: str, right: str) -> str:
    """I don't know what does it mean."""
    return becomes("A question inside a sentence is in the order of a statement", wrong, right)


def tag(asked: bool, wrong: str, right: str) -> str:
    """you speak French, aren't you? she loves jazz, and so am I."""
    what = "question" if asked else "answer"
    return becomes(f"A short {what} repeats the auxiliary of its verb", wrong, right)


def second_modal(modal: str, second: str, wrong: str, right: str) -> str:
    """she will can read; we will must wait."""
    full = {"can": "be able to", "must": "have to"}[second]
    return becomes(f"After '{modal}', '{second}' is '{full}'", wrong, right)


def past_must() -> str:
    """last night I must go home."""
    return "In the past, 'must' becomes 'had to'."


def missing_do(do: str, wrong: str, right: str) -> str:
    """he not like me."""
    return becomes(f"The negative needs '{do}'", wrong, right)


def modal_s(modal: str) -> str:
    """she cans sing."""
    return f"The modal '{modal}' takes no -s."


def modal_do(modal: str, wrong: str, right: str) -> str:
    """he doesn't can swim; you don't must smoke."""
    return becomes(f"'{modal.capitalize()}' needs no 'do'", wrong, right)


def needless_be(lemma: str, wrong: str, right: str) -> str:
    """we must be learn; it is belongs to her."""
    return becomes(f"'{lemma.capitalize()}' needs no 'be' here", wrong, right)


def wrong_question(auxiliary: str, wrong: str, right: str) -> str:
    """are you like pizza? do you hungry?"""
    return becomes(f"This question is asked with '{auxiliary.lower()}'", wrong, right)


def passive_do(wrong: str, right: str) -> str:
    """dogs don't allowed."""
    return becomes("A passive is made negative with 'be'", wrong, right)


def who_did(asking: str, wrong: str, right: str) -> str:
    """who did told you? who does live here?"""
    do = wrong.split(maxsplit=1)[0].lower()
    return becomes(f"'{asking.capitalize()}' is the subject and needs no '{do}'", wrong, right)


def habit(wrong: str, right: str) -> str:
    """my mother doing yoga every morning."""
    return becomes("A habit is told in the simple present", wrong, right)


def missing_would(wrong: str, right: str) -> str:
    """if I were rich, I buy a boat."""
    return becomes("What would only happen takes 'would'", wrong, right)


def negative_do(lemma: str, wrong: str, right: str) -> str:
    """I am not understand."""
    return becomes(f"'{lemma.capitalize()}' is made negative with 'do'", wrong, right)


def no_passive(lemma: str, wrong: str, right: str) -> str:
    """it was happened."""
    return becomes(f"'{lemma.capitalize()}' has no passive", wrong, right)


def have_not_of(modal: str) -> str:
    """should of gone."""
    return f"After '{modal}', it is the verb 'have', not 'of'."


def past_sequence(known: str, wrong: str, right: str) -> str:
    """he sat down and open a book."""
    return f"'{known.capitalize()}' is in the past, so '{wrong}' becomes '{right}'."


def if_would(wrong: str, right: str) -> str:
    """if I would know."""
    return becomes("After 'if', the past stands without 'would'", wrong, right)


def after_wish(trigger: str, wrong: str, right: str) -> str:
    """I wish I have."""
    return becomes(f"After '{trigger}', the verb goes into the past", wrong, right)


def past_marker(marker: str, wrong: str, right: str) -> str:
    """yesterday she go."""
    return f"'{_quoted_first(marker)}' marks the past, so '{wrong}' becomes '{right}'."


def future_marker(marker: str, wrong: str, right: str) -> str:
    """tomorrow I went."""
    return f"'{_quoted_first(marker)}' is yet to come, so '{wrong}' becomes '{right}'."


def did_not_happen(wrong: str, right: str) -> str:
    """if I knew it last week, I would have called."""
    takes = "'have'" if "have" in right.split() else "the past perfect"
    return becomes(f"What did not happen in the past takes {takes}", wrong, right)


def command(wrong: str, right: str) -> str:
    """opens the door, please."""
    return becomes("A command takes the base form", wrong, right)


def inversion(opening: str, wrong: str, right: str) -> str:
    """not only he lied."""
    return becomes(f"After '{opening}', the order is that of a question", wrong, right)


def other_verb(lemma: str, wrong: str, right: str) -> str:
    """I felt off my bike."""
    return f"'{wrong.capitalize()}' is a form of another verb: of '{lemma}', it is '{right}'."


def second_negative(negative: str, wrong: str, right: str) -> str:
    """I don't never eat fish."""
    return becomes(f"'{negative.capitalize()}' is negative already", wrong, right)


def _quoted_first(marker: str) -> str:
    """A time, typed in small letters, as an explanation begins with it: 'When I was ill'."""
    return _CAPITALS.sub(lambda found: found[0].capitalize(), marker[0].upper() + marker[1:])
