#!/usr/bin/env bash
# Everything that has to be shown on a machine with an NVIDIA GPU, without .NET: takes the command that ./build.sh pack
# left, and writes one table.
#
#   benchmarks/gpu/run.sh PACKAGE.tar.gz [GOLDEN] [PEERS]
#
#   PACKAGE   artifacts/packages/peftnative-linux-x64.tar.gz
#   GOLDEN    folder of recorded cases           (default: tests/golden)
#   PEERS     folder with hf_peft/step.py, compared with where Python has torch, transformers and peft
#
# Writes gpu-results/table.md and the whole output of every step beside it. A step that cannot be run says why in the
# table. Times are medians of the command's own; our runs and the peer's alternate on one machine.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
package=${1:?usage: benchmarks/gpu/run.sh PACKAGE.tar.gz [GOLDEN] [PEERS]}
golden=${2:-$here/../../tests/golden}
peers=${3:-}
out=$PWD/gpu-results table=$PWD/gpu-results/table.md
rounds=3

mkdir -p "$out"
tar -xzf "$package" -C "$out" || exit 2
command=$out/peftnative/peftnative

row() { printf '| %s |\n' "$(IFS='|'; printf '%s' "$*" | sed 's/|/ | /g')" | tee -a "$table"; }

# check NAME COMMAND...: one row, passed or not.
check() {
    local name=$1 started=$SECONDS log
    log=$out/$(tr -cs '[:alnum:]\n' - <<<"$name").log
    shift
    if "$@" >"$log" 2>&1; then row "$name" passed "$(tail -n 1 "$log")" "$((SECONDS - started)) s"
    else row "$name" FAILED "$(tail -n 1 "$log")" "$((SECONDS - started)) s"; fi
}

skip() { row "$1" "not exercised" "$2" ""; }

field() { sed -n "s/.*\"$1\": *\([0-9.]*\).*/\1/p" <<<"$2"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

python_has_peft() {
    [[ -n $peers ]] && python3 -c 'import torch, transformers, peft; assert torch.cuda.is_available()' 2>/dev/null
}

# goal ID FLAGS...: our training step and, in turn, the peer's.
goal() {
    local id=$1 ours=() theirs=() memory line round
    shift
    for ((round = 0; round < rounds; round++)); do
        line=$("$command" bench step "$@" --backend cuda --json 2>"$out/$id.err" | tail -n 1)
        [[ -n $line ]] || { row "$id" FAILED "$(tail -n 1 "$out/$id.err")" "" "" ""; return; }
        echo "$line" >>"$out/$id.jsonl"
        ours+=("$(field step_ms "$line")") memory=$(field peak_device_mb "$line")
        if python_has_peft; then
            line=$(python3 "$peers/hf_peft/step.py" --device cuda "$@" 2>>"$out/$id.err" | tail -n 1)
            [[ -z $line ]] || { echo "$line" >>"$out/$id.jsonl"; theirs+=("$(field step_ms "$line")"); }
        fi
    done
    local mine peer=- ratio=-
    mine=$(printf '%s\n' "${ours[@]}" | median)
    if ((${#theirs[@]} > 0)); then
        peer=$(printf '%s\n' "${theirs[@]}" | median)
        ratio=$(awk -v a="$peer" -v b="$mine" 'BEGIN { printf "%.2f", a / b }')
    fi
    row "$id" "$*" "$mine" "$peer" "$ratio" "$memory"
}

{
    gpu=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null || echo 'no GPU found')
    echo "# PeftNative on $gpu"
    echo
    echo "| what | result | last line | time |"
    echo "|---|---|---|---|"
} >"$table"
"$command" env >"$out/env.log" 2>&1

check "operation cases fp32" "$command" verify ops --all --backend cuda
check "operation cases bf16" "$command" verify ops --all --backend cuda --dtype bf16
check "recorded cases fp32" "$command" verify "$golden" --backend cuda
check "recorded cases bf16" "$command" verify "$golden" --backend cuda --dtype bf16 --filter 'lora'
for tool in memcheck racecheck initcheck synccheck; do
    if command -v compute-sanitizer >/dev/null; then
        check "compute-sanitizer $tool" compute-sanitizer --tool $tool --error-exitcode 9 --target-processes all \
            "$command" verify "$golden" --backend cuda --filter 'llama-causal-lora$'
    else
        skip "compute-sanitizer $tool" "no compute-sanitizer here (CUDA toolkit)"
    fi
done

{
    echo
    python_has_peft ||
        echo "Peer not exercised: ${peers:-no folder given}; Python needs torch with CUDA, transformers and peft."
    echo
    echo "| goal | flags | step, ms | peer, ms | peer / ours | device memory, MB |"
    echo "|---|---|---|---|---|---|"
} >>"$table"
llama8b=(--hidden 4096 --layers 32 --heads 32 --kv-heads 8 --ffn 14336 --vocab 128256)
llama1b=(--hidden 2048 --layers 16 --heads 32 --kv-heads 8 --ffn 8192 --vocab 128256)
small=(--hidden 768 --layers 12 --heads 12 --kv-heads 12 --ffn 2048 --vocab 50257)
common=(--targets all --dtype bf16 --steps 7 --warmup 3)
goal G1 "${llama8b[@]}" --batch 8 --seq 2048 --method lora --rank 16 "${common[@]}"
goal G2 "${llama1b[@]}" --batch 8 --seq 2048 --method lora --rank 16 "${common[@]}"
goal G3 "${small[@]}" --batch 64 --seq 1024 --method lora --rank 8 "${common[@]}"
goal G4 "${small[@]}" --batch 4 --seq 128 --method lora --rank 8 "${common[@]}"
goal G5 --hidden 2048 --layers 24 --heads 16 --kv-heads 16 --ffn 5504 --vocab 151936 --batch 1 --seq 256 \
    --method lora --rank 8 "${common[@]}"
goal G7-ia3 "${llama1b[@]}" --batch 8 --seq 2048 --method ia3 --rank 8 "${common[@]}"
goal G7-prefix "${llama1b[@]}" --batch 8 --seq 2048 --method prefix --rank 8 "${common[@]}"
goal G8 "${llama8b[@]}" --batch 4 --seq 2048 --method lora --rank 16 "${common[@]}"
{
    echo
    echo "Not exercised: G6 (the step benchmark has no quantised base), G9 (it times training, not decoding)."
} >>"$table"
printf '\n%s\n' "$table"
grep -q FAILED "$table" && exit 1 || exit 0
