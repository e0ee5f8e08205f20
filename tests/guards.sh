#!/usr/bin/env bash
# Prints a digest of the adapter that every method trains in three steps on the demo's base. Whoever moves code without
# meaning to change numbers runs it before and after on the same machine: the two outputs must be equal.
#   tests/guards.sh [COMMAND] > before.txt        COMMAND: artifacts/cli/peftnative unless given
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
command=${1:-$root/artifacts/cli/peftnative}
base=$root/src/PeftNative.Cli/Assets/demo-base
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for i in {1..8}; do
    printf '{"prompt": "plus %d %d =", "completion": " answer number %d"}\n' "$i" "$i" "$i"
done >"$folder/data.jsonl"

methods=(lora dora ia3 bottleneck prefix prompt p_tuning top_layers full
    "lora --use_rslora --r 4 --target_modules all-linear" "lora --modules_to_save norm --r 4" "lora --lora_dropout 0.2"
    "bottleneck --mh_adapter true --reduction_factor 8" "prefix --prefix_projection true"
    "lora --quantization nf4" "lora --quantization int8")
for method in "${methods[@]}"; do
    for machine in "cpu --dtype fp32" "cpu --dtype bf16" "reference --dtype fp32"; do
        # shellcheck disable=SC2086 -- settings are words
        if "$command" train --model "$base" --data "$folder/data.jsonl" --output "$folder/out" --method $method \
            --learning_rate 1e-3 --max_steps 3 --batch_size 4 --seed 7 --resume never --backend $machine --quiet \
            >"$folder/log" 2>&1; then
            digest=$(cat "$folder"/out/*.safetensors | sha256sum | cut -c1-32)
        else
            digest="exit $?: $(tail -n 1 "$folder/log")"
        fi
        printf '%s | %s | %s\n' "$method" "$machine" "$digest"
        rm -rf "$folder/out"
    done
done
