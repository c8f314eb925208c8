#!/bin/sh
# All of the tutor again: corpora, twenty-seven parts of training, the means between them, golden
# files and scores. Some 30 hours of two cores; needs the train extra. `make data` calls it.
# data/README.md tells what each part was for, and by which commit its corpus was made first.
set -eu
cd "$(dirname "$0")/../.."
python=${1:-python3}  # the command that has the train extra
cache=data/build/cache

corpus() { "$python" data/build/make_corpus.py --train-examples "$2" --seed "$3" --out "$cache/$1"; }

# part N begins with what its recipe names, and leaves it trained in $cache/$2/export.
part() {
  "$python" data/build/train.py --precision float32 --threads 2 \
    --recipe "data/build/recipes/part$1.json" --run "$cache/$2"
}

# mean OLD NEW SHARE OUT: so much of the new, the rest of the old.
mean() { "$python" data/build/average.py "$cache/$1" "$cache/$2" "$3" "$cache/$4"; }

deepened() { "$python" data/build/deepen.py "$cache/$1" 1,2 "$cache/$2"; }

corpus v8-1 600000 801
corpus v8-2 600000 802
corpus v8-3 600000 803
corpus v8-4 600000 804
corpus v8-5 600000 805
corpus v8-6 600000 806
corpus v9 160000 901
corpus v11 480000 1101
corpus v12 400000 1201
corpus v13 480000 1301
corpus v14 100000 1401
corpus v15 300000 1501
corpus v16 400000 1601
corpus v17 130000 1701
corpus v20 290000 2001
corpus v21 150000 2101
corpus v22 300000 2201
corpus v23 340000 2301
corpus v24 70000 2401
corpus v25 180000 2501
corpus v26 260000 2601
corpus v27 480000 2701
corpus v28 95000 2801
corpus v29 260000 2901
corpus v31 480000 3101
corpus v32 300000 3201
corpus v33 125000 3301
corpus v34 80000 3401
corpus v35 300000 3501
corpus v36 480000 3601
corpus v37 300000 3701
corpus v39 480000 3901
corpus v40 480000 4001
corpus v41 480000 4101
corpus v42 480000 4201
corpus v43 480000 4301
corpus v44 480000 4401
corpus v45 480000 4501
corpus v46 480000 4601
corpus v47 480000 4701
corpus v48 480000 4801
corpus v49 480000 4901
corpus v50 480000 5001
corpus v51 480000 5101
corpus v52 480000 5201
corpus v53 480000 5301
corpus v55 480000 5501
corpus v56 480000 5601
corpus v57 480000 5701
corpus v58 480000 5801
corpus v59 480000 5901
corpus v60 320000 6001

part 1 run
cp -r "$cache/run/export" "$cache/first"

part 2 run9
mean first run9/export 0.55 second

part 3 run11
mean second run11/export 0.8 third

part 4 run12
mean third run12/export 0.8 fourth

part 5 run13
mean fourth run13/export 0.8 fifth

part 6 run14
mean fifth run14/export 0.7 sixth

part 7 run15
mean sixth run15/export 0.6 seventh

part 8 run17
mean seventh run17/export 0.6 eighth

part 9 run18
mean eighth run18/export 0.4 ninth

part 10 run20
mean ninth run20/export 0.7 tenth

part 11 run21
mean tenth run21/export 0.5 eleventh
mean ninth eleventh 0.85 eleventh_mean

part 12 run22
mean eleventh_mean run22/export 0.8 twelfth

part 13 run24
mean twelfth run24/export 0.7 thirteenth
mean ninth thirteenth 0.85 thirteenth_mean

part 14 run26
mean thirteenth_mean run26/export 0.85 fourteenth
mean ninth fourteenth 0.85 fourteenth_mean

part 15 run28
mean fourteenth_mean run28/export 0.4 fifteenth

part 16 run29
mean fifteenth run29/export 0.85 sixteenth
mean ninth sixteenth 0.9 sixteenth_mean

part 17 run33
mean sixteenth_mean run33/export 0.5 seventeenth
mean ninth seventeenth 0.88 seventeenth_a
mean fifteenth seventeenth 0.8 seventeenth_b
mean seventeenth_a seventeenth_b 0.6 seventeenth_mean

part 18 run34
mean seventeenth_mean run34/export 0.3 eighteenth

part 19 run35
mean eighteenth run35/export 0.85 nineteenth
mean ninth nineteenth 0.95 nineteenth_mean

part 20 run39
mean nineteenth_mean run39/export 0.85 twentieth
mean ninth twentieth 0.92 twentieth_mean

part 21 run42
mean twentieth_mean run42/export 0.7 twenty_first
mean ninth twenty_first 0.92 twenty_first_mean
deepened twenty_first_mean deep_start
deepened ninth deep_ninth

part 22 run43
mean deep_start run43/export 0.65 twenty_second
mean deep_ninth twenty_second 0.94 twenty_second_mean

part 23 run45
mean twenty_second_mean run45/export 0.6 twenty_third_mean

part 24 run50
mean twenty_third_mean run50/export 0.85 twenty_fourth_mean

part 25 run53
mean twenty_fourth_mean run53/export 0.6 twenty_fifth_mean

part 26 run57
mean twenty_fifth_mean run57/export 0.9 twenty_sixth_mean

part 27 run60
mean twenty_sixth_mean run60/export 0.7 twenty_seventh_mean
cp "$cache/twenty_seventh_mean/"* data/tutor

"$python" data/build/make_golden.py
"$python" data/build/evaluate.py --kinds
