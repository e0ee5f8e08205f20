#!/usr/bin/env bash
# Compiles every kernel with nvcc for compute capability 8.0, 8.6, 8.9 and 9.0, with PTX for later ones: a fatbin for
# each file in artifacts/kernels, which the next build of src/PeftNative.Cuda takes in. Warnings are errors. Prints what
# each kernel uses and fails when one spills registers on any of them. Files that have not changed are not compiled
# again.
#
#   kernels/build.sh [--table]      --table prints every kernel, not only the worst of each file
set -euo pipefail
kernels=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$kernels/../artifacts/kernels
nvcc=${NVCC:-nvcc}
capabilities="80 86 89 90"
targets=()
for capability in $capabilities; do targets+=(-gencode "arch=compute_$capability,code=sm_$capability"); done
targets+=(-gencode "arch=compute_90,code=compute_90")

command -v "$nvcc" >/dev/null || { echo "no nvcc here (NVCC names another): nothing compiled"; exit 3; }
mkdir -p "$out"

# usage FILE: a line "kernel, registers on each capability, bytes spilled, bytes shared (the most on any)" for every
# kernel.
usage() {
    awk -v capabilities="$capabilities" '
        /Compiling entry function/ {
            split($0, part, "\x27"); kernel = part[2]; kernels[kernel]
            sub("sm_", "", part[4]); on = part[4]
        }
        /spill stores/ && $5 + $9 > spilled[kernel] { spilled[kernel] = $5 + $9 }
        /Used .* registers/ {
            match($0, /Used [0-9]+/)
            registers[kernel, on] = substr($0, RSTART + 5, RLENGTH - 5)
            bytes = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH) + 0 : 0
            if (bytes > shared[kernel]) shared[kernel] = bytes
        }
        END {
            count = split(capabilities, capability, " ")
            for (kernel in kernels) {
                line = kernel
                for (i = 1; i <= count; i++) line = line " " registers[kernel, capability[i]]
                print line, spilled[kernel] + 0, shared[kernel] + 0
            }
        }' "$1"
}

compile() { # STEM
    rm -f "$out/$1.fatbin"
    "$nvcc" -std=c++17 -I"$kernels/include" -I"$kernels/../native/cpu" -Werror all-warnings -Xptxas -v \
        "${targets[@]}" -fatbin \
        -o "$out/$1.new" "$kernels/$1.cu" >"$out/$1.log" 2>&1 || { cat "$out/$1.log" >&2; return 1; }
    mv "$out/$1.new" "$out/$1.fatbin"
}

# As many at once as there are cores; the first that fails ends the script.
running=0
for source in "$kernels"/*.cu; do
    stem=$(basename "$source" .cu)
    used=("$source" "$kernels/include" "$kernels/../native/cpu/shared")
    if [[ -z $(find "${used[@]}" -newer "$out/$stem.fatbin" 2>/dev/null || echo new) ]]; then
        continue
    fi
    compile "$stem" &
    if ((++running >= $(nproc))); then
        wait -n
        running=$((running - 1))
    fi
done
while ((running-- > 0)); do wait -n; done

row() { printf '%-44s %5s %5s %5s %5s %8s %7s\n' "$@"; }
row "registers on" 8.0 8.6 8.9 9.0 spilled shared
status=0
for log in "$out"/*.log; do
    usage "$log" | sort -k6,6nr -k2,2nr | { if [[ ${1:-} == --table ]]; then cat; else sed -n 1p; fi; } |
        while read -ra columns; do row "${columns[@]}"; done
    if [[ -n $(usage "$log" | awk '$6 > 0') ]]; then
        echo "kernels of $(basename "$log" .log) spill registers" >&2
        status=1
    fi
done
exit $status
