"""Make the verb corpus: a training file of any size, and the committed splits.

python data/build/make_corpus.py --train-examples 1500000 --seed 1 --out data/build/cache/corpus
python data/build/make_corpus.py --splits test_names --seed 1  # rewrites that file in data/verbs/
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterable
from itertools import islice
from multiprocessing import Pool
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from data.build.corpus.sentence import Example
from data.build.corpus.splits import SHARD, forbidden, held_words, plain, stream

VERBS = Path(__file__).parents[1] / "verbs"
SPLITS = {"test_sentences": "test", "test_verb_kind": "pairs", "test_names": "names"}  #: and seeds


def row(ex: Example) -> str:
    """One line of JSON."""
    return json.dumps(
        {
            "sentence": ex.sentence,
            "corrected": ex.corrected,
            "explanation": ex.explanation,
            "kind": ex.kind,
            "lemma": ex.lemma,
        },
        ensure_ascii=False,
    )


def unique(examples: Iterable[Example], n: int, seen: set[str]) -> list[Example]:
    """The first n examples whose reduced sentence and correction are not in `seen` (extended)."""
    out: list[Example] = []
    for ex in examples:
        a, b = plain(ex.sentence), plain(ex.corrected)
        if a in seen or b in seen:
            continue
        seen.add(a)
        out.append(ex)
        if len(out) == n:
            break
    return out


def tests(names: Iterable[str], seed: int, n: int, exclude: list[Path]) -> dict[str, list[Example]]:
    """The named test splits; none of their sentences is in another split or a file of `exclude`."""
    seen = set(forbidden(VERBS, generated=[name for name in SPLITS if name not in names]))
    for path in exclude:
        with path.open(encoding="utf-8") as f:
            for line in f:
                r = json.loads(line)
                seen |= {plain(r["sentence"]), plain(r["corrected"])}
    held = held_words()

    def drawn(name: str) -> Iterable[Example]:
        salt = f"{seed} {SPLITS[name]}"
        new = stream(salt, held=name == "test_names", only_held_pairs=name == "test_verb_kind")
        one = (ex for ex in new if "two" not in ex.tags)
        if name == "test_names":
            return (ex for ex in one if any(w in held for w in words(ex)))
        return no_held(one, held)

    return {name: unique(drawn(name), n, seen) for name in SPLITS if name in names}


def words(ex: Example) -> list[str]:
    """The lower-case words of an example's sentence."""
    return re.findall(r"[^\W\d_]+", ex.sentence.lower())


def no_held(examples: Iterable[Example], held: frozenset[str]) -> Iterable[Example]:
    """Examples without a word of the unseen-words split."""
    return (ex for ex in examples if not any(w in held for w in words(ex)))


def shard(job: tuple[int, int]) -> list[tuple[str, str, str]]:
    """One shard of the training stream: (reduced sentence, reduced correction, JSON line)."""
    seed, i = job
    held = held_words()
    rows = islice(no_held(stream(f"{seed} train {i}"), held), SHARD)
    return [(plain(e.sentence), plain(e.corrected), row(e)) for e in rows]


def main() -> None:
    """Command line."""
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--train-examples", type=int, default=1_500_000)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--out", type=Path, default=Path(__file__).parent / "cache" / "corpus")
    ap.add_argument("--jobs", type=int, default=1)
    ap.add_argument("--test-examples", type=int, default=2000)
    ap.add_argument(
        "--splits", nargs="+", choices=SPLITS, default=[], help="write these test splits instead"
    )
    ap.add_argument(
        "--exclude",
        type=Path,
        nargs="*",
        default=[],
        help="training files whose sentences the test splits must not repeat",
    )
    args = ap.parse_args()
    t0 = time.time()
    if args.splits:
        for name, rows in tests(args.splits, args.seed, args.test_examples, args.exclude).items():
            text = "".join(row(ex) + "\n" for ex in rows)
            (VERBS / f"{name}.jsonl").write_text(text, encoding="utf-8")
        return
    seen: set[int] = {hash(s) for s in forbidden(VERBS, generated=tuple(SPLITS))}
    args.out.mkdir(parents=True, exist_ok=True)
    left = args.train_examples
    jobs = [(args.seed, i) for i in range(left // SHARD * 2 + 2)]
    part = args.out / "train.jsonl.part"
    with Pool(args.jobs) as pool, part.open("w", encoding="utf-8") as f:
        for rows2 in pool.imap(shard, jobs):
            for a, b, line in rows2:
                if left == 0 or hash(a) in seen or hash(b) in seen:
                    continue
                seen.add(hash(a))
                f.write(line + "\n")
                left -= 1
            if left == 0:
                break
        pool.terminate()
    part.rename(args.out / "train.jsonl")
    print(f"{args.train_examples - left} examples in {time.time() - t0:.0f} s -> {args.out}")


if __name__ == "__main__":
    main()
