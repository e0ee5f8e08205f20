#!/usr/bin/env bash
# Compiles every kernel with nvcc for compute capability 8.0, 8.6, 8.9 and 9.0, with PTX for later ones: a fatbin for each file in
# artifacts/kernels, which the next build of src/PeftNative.Cuda takes in. Warnings are errors. Prints what each kernel uses on 8.0 and
# fails when one spills registers. Files that have not changed are not compiled again.
#
#   kernels/build.sh [--table]      --table prints every kernel, not only the worst of each file
set -euo pipefail
kernels=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$kernels/../artifacts/kernels
nvcc=${NVCC:-nvcc}
targets=()
for capability in 80 86 89 90; do targets+=(-gencode "arch=compute_$capability,code=sm_$capability"); done
targets+=(-gencode "arch=compute_90,code=compute_90")

command -v "$nvcc" >/dev/null || { echo "no nvcc here (NVCC names another): nothing compiled"; exit 3; }
mkdir -p "$out"

# usage FILE: a line "kernel registers spilled shared" for every kernel, from what ptxas said about 8.0.
usage() {
    awk '/Compiling entry function/ { split($0, part, "\x27"); kernel = part[2]; wanted = part[4] == "sm_80" }
         wanted && /spill stores/ { spilled = $5 + $9 }
         wanted && /Used .* registers/ {
             shared = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH) + 0 : 0
             match($0, /Used [0-9]+/)
             print kernel, substr($0, RSTART + 5, RLENGTH - 5), spilled, shared
         }' "$1"
}

for source in "$kernels"/*.cu; do
    stem=$(basename "$source" .cu)
    if [[ -z $(find "$source" "$kernels/include" -newer "$out/$stem.fatbin" 2>/dev/null || echo new) ]]; then continue; fi
    rm -f "$out/$stem.fatbin"
    "$nvcc" -std=c++17 -I"$kernels/include" -Werror all-warnings -Xptxas -v "${targets[@]}" -fatbin -o "$out/$stem.new" "$source" \
        >"$out/$stem.log" 2>&1 || { cat "$out/$stem.log" >&2; exit 1; }
    mv "$out/$stem.new" "$out/$stem.fatbin"
done

printf '%-44s %9s %8s %8s\n' kernel registers spilled shared
status=0
for log in "$out"/*.log; do
    usage "$log" | sort -k3,3nr -k2,2nr | { if [[ ${1:-} == --table ]]; then cat; else sed -n 1p; fi; } |
        while read -r kernel registers spilled shared; do printf '%-44s %9s %8s %8s\n' "$kernel" "$registers" "$spilled" "$shared"; done
    if [[ -n $(usage "$log" | awk '$3 > 0') ]]; then
        echo "kernels of $(basename "$log" .log) spill registers" >&2
        status=1
    fi
done
exit $status
