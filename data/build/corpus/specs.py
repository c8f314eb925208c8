"""Tables: which verb groups can carry which error, and how often each is drawn."""

from __future__ import annotations

Spec = tuple[str, bool, bool, bool]  # group, past, negative, question

NESTED = frozenset({"INF", "INFV", "CL", "ING", "BASE", "INFT"})
THEMES = {
    "FOOD": "food", "THING": "thing", "NOUN": "thing", "GIFT": "gift", "ANIMAL": "animal",
    "CLOTHESN": "clothes", "THINGN": "thing", "ANIMALN": "animal",
}
BY_KIND: dict[str, list[tuple[float, Spec]]] = {
    "overregular_past": [(1, ("simple", True, False, False))],
    "doubled_past": [(1, ("simple", True, False, False))],
    "misspelled_past": [(8, ("simple", True, False, False)), (1.2, ("perf", False, False, False)),
                        (0.4, ("perf", True, False, False)), (0.3, ("perf", False, True, False)),
                        (1, ("passive", True, False, False))],
    "participle_have": [(6, ("perf", False, False, False)), (2, ("perf", False, True, False)),
                        (2.5, ("perf", False, False, True)), (3, ("perf", True, False, False)),
                        (0.7, ("perf", True, True, False)), (1.2, ("perfbe", False, False, False)),
                        (0.4, ("perfbe", False, False, True)), (0.4, ("perfbe", True, False, False)),
                        (1.2, ("modalperf", False, False, False))],
    "participle_passive": [(6, ("passive", True, False, False)), (3, ("passive", False, False, False)),
                           (1, ("passive", True, True, False)), (1, ("passive", True, False, True)),
                           (0.5, ("passive", False, True, False)),
                           (2, ("passive_perf", False, False, False)),
                           (1.5, ("passive_modal", False, False, False)),
                           (1, ("passive_prog", False, False, False))],
    "s_missing": [(8, ("simple", False, False, False)), (3.5, ("simple", False, True, False)),
                  (2, ("simple", False, False, True)), (1.2, ("perf", False, False, False)),
                  (0.4, ("perf", False, True, False)), (0.5, ("perf", False, False, True)),
                  (0.5, ("haveto", False, False, False)), (0.3, ("perfprog", False, False, False)),
                  (0.4, ("perfbe", False, False, False)), (0.2, ("perfbe", False, False, True))],
    "s_added": [(8, ("simple", False, False, False)), (3.5, ("simple", False, True, False)),
                (2, ("simple", False, False, True)), (1.2, ("perf", False, False, False)),
                (0.4, ("perf", False, True, False)), (0.5, ("perf", False, False, True)),
                (0.5, ("haveto", False, False, False)), (0.3, ("perfprog", False, False, False)),
                (0.4, ("perfbe", False, False, False)), (0.2, ("perfbe", False, False, True))],
    "be_agreement": [(4, ("cop", False, False, False)), (4, ("cop", True, False, False)),
                     (0.8, ("cop", False, True, False)), (0.8, ("cop", True, True, False)),
                     (1, ("cop", False, False, True)), (0.8, ("cop", True, False, True)),
                     (1.5, ("prog", False, False, False)), (1.5, ("prog", True, False, False)),
                     (0.4, ("prog", False, True, False)), (0.4, ("prog", False, False, True)),
                     (0.4, ("prog", True, False, True)), (0.5, ("going", False, False, False)),
                     (1.3, ("there", False, False, False)), (1.3, ("there", True, False, False)),
                     (0.4, ("there", False, False, True)), (0.3, ("there", True, False, True)),
                     (0.3, ("there", False, True, False)), (0.7, ("here", False, False, False)),
                     (0.8, ("passive", False, False, False)), (0.8, ("passive", True, False, False))],
    "after_did": [(4, ("simple", True, True, False)), (4, ("simple", True, False, True)),
                  (3, ("simple", False, True, False)), (2.5, ("simple", False, False, True)),
                  (0.4, ("simple", True, True, True)), (0.3, ("haveto", True, True, False)),
                  (0.3, ("haveto", False, True, False))],
    "after_modal": [(8, ("modal", False, False, False)), (3.5, ("modal", False, True, False)),
                    (3, ("modal", False, False, True)), (0.7, ("wouldlike", False, False, False)),
                    (0.8, ("modalbe", False, False, False))],
    "after_to": [(4, ("simple", True, False, False)), (4, ("simple", False, False, False)),
                 (1, ("simple", True, True, False)), (1, ("simple", False, True, False)),
                 (1, ("simple", True, False, True)), (1, ("simple", False, False, True)),
                 (2, ("haveto", False, False, False)), (2, ("haveto", True, False, False)),
                 (1, ("haveto", False, True, False)), (0.5, ("haveto", False, False, True)),
                 (2, ("going", False, False, False)), (0.7, ("going", True, False, False)),
                 (0.6, ("going", False, True, False)), (0.6, ("going", False, False, True)),
                 (1.5, ("usedto", True, False, False)), (1.5, ("wouldlike", False, False, False)),
                 (2.5, ("adjto", False, False, False)), (1.5, ("adjto", True, False, False)),
                 (0.5, ("prog", False, False, False))],
    "progressive": [(6, ("prog", False, False, False)), (5, ("prog", True, False, False)),
                    (1.3, ("prog", False, True, False)), (1, ("prog", True, True, False)),
                    (2, ("prog", False, False, True)), (1, ("prog", True, False, True))],
    "past_marker": [(9, ("simple", True, False, False)), (2, ("simple", True, True, False)),
                    (1.3, ("simple", True, False, True)), (1.3, ("cop", True, False, False)),
                    (0.8, ("prog", True, False, False))],
}
KIND_W = {
    "overregular_past": 9, "misspelled_past": 6, "doubled_past": 4, "participle_have": 9,
    "participle_passive": 6, "s_missing": 12, "s_added": 8, "be_agreement": 9, "after_did": 9,
    "after_modal": 7, "after_to": 7, "progressive": 7, "past_marker": 8, "correct": 26,
}
PRES: list[tuple[float, Spec]] = [
    (8, ("simple", False, False, False)), (3, ("simple", False, True, False)),
    (6, ("cop", False, False, False)), (2, ("prog", False, False, False)),
    (2, ("modal", False, False, False)), (1, ("modal", False, True, False)),
    (1, ("perf", False, False, False)), (0.5, ("going", False, False, False)),
    (0.7, ("haveto", False, False, False)), (0.7, ("passive", False, False, False)),
    (0.5, ("there", False, False, False)), (0.4, ("cop", False, True, False)),
    (0.4, ("wouldlike", False, False, False)), (0.5, ("perfbe", False, False, False)),
    (0.3, ("here", False, False, False)), (0.3, ("perfprog", False, False, False)),
]
PAST: list[tuple[float, Spec]] = [
    (9, ("simple", True, False, False)), (3, ("simple", True, True, False)),
    (6, ("cop", True, False, False)), (2, ("prog", True, False, False)),
    (1, ("perf", True, False, False)), (0.7, ("haveto", True, False, False)),
    (0.8, ("passive", True, False, False)), (0.4, ("usedto", True, False, False)),
    (0.5, ("there", True, False, False)), (0.3, ("modal", False, True, False)),
]
ADJTO = ("happy ready afraid able glad sorry sure sad free careful surprised too@tired too@young "
         "too@shy too@lazy too@old happy excited ready willing proud unable likely old@enough "
         "strong@enough too@busy eager").split()
ITTO = ("hard easy important difficult nice fun dangerous good necessary impossible time great "
        "possible better bad time").split()
PAIR_PAST = ("because", "when", "so", "but", "and", "before", "after", "although", "while", "until")
PAIR_PRES = ("because", "when", "so", "but", "and", "if", "before", "although", "while", "unless",
             "after", "until")
FRONTABLE = frozenset("because when before after although while if unless".split())
MATRIX_PRES = ("I think", "I think that", "I know that", "I know", "I hope", "I'm sure",
               "He says that", "She thinks", "They say that", "We believe that", "I don't think",
               "My mother says that", "It is true that", "I'm afraid", "Everyone knows that",
               "I don't know why", "I don't know if", "Do you know why", "I wonder why",
               "She doesn't know that", "Do you think", "Maybe", "Of course,", "I guess",
               "They don't know where", "Can you tell me if", "I heard that", "Sometimes")
MATRIX_PAST = ("I think that", "He said that", "She said", "I knew that", "They told me that",
               "I heard that", "I know that", "We thought that", "He told us that", "I remember that",
               "Do you remember when", "I don't know why", "She says that", "Nobody knows why",
               "I didn't know that", "It is true that", "The teacher said that", "I thought",
               "I'm glad that", "Luckily,", "Then", "Suddenly", "After that,", "Maybe")
MATRIX_Q = frozenset(("Do you know why", "Do you think", "Can you tell me if",
                      "Do you remember when"))
CALLS = ("Please", "No,", "Yes,", "Well,", "Oh,", "Sorry,", "Hey,")

COMPARED = ("taller shorter older younger bigger smaller faster slower stronger cheaper happier better "
            "worse nicer richer smarter heavier louder more@expensive more@important "
            "more@interesting busier").split()
SUPER = ("biggest smallest best worst tallest oldest youngest fastest cheapest richest happiest "
         "longest first last only most@expensive most@beautiful nicest").split()
GAP_INTRO = {
    True: ("I know what", "she told me what", "I don't remember what", "that was what",
           "nobody knows what", "I saw what", "I liked what", "do you know what", "he forgot what",
           "we heard what", "I don't believe what"),
    False: ("I know what", "she knows what", "I don't know what", "this is what", "I like what",
            "nobody knows what", "tell me what", "do you know what", "I wonder what"),
}
OBJECT_INTRO = {
    True: ("I liked", "we ate", "where is", "he lost", "this is", "I still have", "she sold",
           "I found", "do you have", "he broke", "I want to see", "they use"),
    False: ("I like", "this is", "where is", "we need", "do you have", "she hates", "he sells",
            "I want", "that is", "they use"),
}
TAILS = ("too", "again", "please", "as well", "already", "anyway", "of course", "at all", "or not")
SAYS = {True: ("he said,", "she asked me,", "my mother told us,", "the teacher said,", "Tom said:"),
        False: ("he says,", "she always says,", "my father says,", "they say:", "the sign says:")}
# Swapping these verbs in a frame would break its grammar.
KEEP_VERBS = frozenset(
    "let make help have do be see hear watch feel say think know go keep start begin stop get use "
    "need want come try like love hate enjoy become seem look wish hope suppose bear allow mean "
    "suggest rain snow tell ask teach promise agree decide plan learn forget remember refuse offer "
    "mind finish".split()
)
