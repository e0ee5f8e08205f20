#!/usr/bin/env bash
# Builds, tests and packs PeftNative. `./build.sh --help` lists the words; build.ps1 has the same ones.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
artifacts=$root/artifacts
logs=$artifacts/logs
results=$artifacts/test-results
command=$artifacts/cli/peftnative
suite_minutes=20
cxx=${CXX:-c++}
cxx=${cxx%% *}
PATH=$PATH:${DOTNET_ROOT:-${HOME:-}/.dotnet}
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
if [[ ${CI:-} == true ]]; then export MSBUILDDISABLENODEREUSE=1 UseSharedCompilation=false; fi # leave no process behind

help() {
    cat <<'TEXT'
usage: ./build.sh [word] [arguments]

  (none)   build everything into artifacts/; the command is artifacts/cli/peftnative
  demo     build what is missing and run the demo          (arguments go to peftnative demo)
  test     build everything and run every test; with --quick what is fast and needs no sanitizer and no emulator
  bench    training steps beside those of other programs   (arguments go to BenchmarkDotNet: --filter '*Linear*')
  pack     make the packages in artifacts/packages
  --with-managedcuda   build the CUDA backend on ManagedCuda as well (GPLv3, see README.md)
  structure   the measures of the code's structure, and which rooms go in circles
  clean    remove artifacts/
  --help   this text

Needs the .NET SDK 10. A C++ compiler and CMake give the fast native backend; without them the managed one does the
work. On Debian and Ubuntu root needs to prepare nothing: what is missing is installed. No GPU is needed.
TEXT
}

die() { printf '%s\n' "$1" >&2; exit "${2:-1}"; }
have() { command -v "$1" >/dev/null 2>&1; }
note() { printf '  %-34s%s\n' "$1" "$2"; }

# try NAME COMMAND...: runs one stage quietly and prints its name and time; its output is in artifacts/logs.
try() {
    local name=$1 started=$SECONDS code=0
    shift
    log=$logs/$(tr -cs '[:alnum:]\n' - <<<"$name").log
    mkdir -p "$logs"
    printf '  %-34s' "$name"
    "$@" >"$log" 2>&1 </dev/null || code=$?
    if ((code == 0)); then printf '%4d s\n' $((SECONDS - started)); else printf 'failed\n'; fi
    return "$code"
}

# stage NAME COMMAND...: a stage that nothing can go on without.
stage() {
    try "$@" && return
    printf '\n' >&2
    tail -n 40 "$log" >&2
    die "
$1 failed. The whole log: $log"
}

# ---- what the build needs ----------------------------------------------------------------------------------------

# As many compilers at once as there are cores: "--parallel" alone starts them all together where make does the work.
jobs=$(nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)

updated=false
apt_install() {
    have apt-get && [[ $(id -u) == 0 ]] || return 1
    if ! $updated; then try "Update the package lists" apt-get update || return 1; fi
    updated=true
    # No package at all is installed where one of them does not exist.
    try "Install $*" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

sdk_found() { (cd "$root" && dotnet --version) >/dev/null 2>&1; }

need_sdk() {
    sdk_found || apt_install dotnet-sdk-10.0 || true
    sdk_found || die "PeftNative needs the .NET SDK 10: https://dotnet.microsoft.com/download/dotnet/10.0"
}

compiler_found() { have cmake && { have "$cxx" || have g++ || have clang++; }; }

need_compiler() { compiler_found || apt_install g++ cmake make || true; }

need_gtest() {
    if ! compiler_found || "$cxx" -E -x c++ - <<<'#include <gtest/gtest.h>' >/dev/null 2>&1; then return; fi
    apt_install libgtest-dev || true
}

native_checks=OFF # ON: the native libraries under sanitizers and kernels with seeded bugs as well, for the tests
emulator=ON       # the emulated CUDA driver

build_native() { # [CMake target]
    need_compiler
    if ! compiler_found; then
        note "Native library" "none: no C++ compiler with CMake here, so the managed backend does the work, more slowly"
        note "" "to get it: apt-get install g++ cmake make   (macOS: xcode-select --install; brew install cmake)"
        return
    fi
    stage "Configure the native library" cmake -S "$root" -B "$artifacts/cmake" -DCMAKE_BUILD_TYPE=Release \
        -DPEFTNATIVE_CHECKS=$native_checks -DPEFTNATIVE_EMULATOR=$emulator
    stage "Build the native library" cmake --build "$artifacts/cmake" --parallel "$jobs" ${1:+--target "$1"}
}

# CI compiles the kernels of the CUDA backend for real devices as well; elsewhere that happens where nvcc is installed.
need_nvcc() {
    if have "${NVCC:-nvcc}" || [[ ${CI:-} != true ]]; then return; fi
    add_non_free
    apt_install nvidia-cuda-toolkit g++-11 || true # the newest compiler that nvcc 11.8 works with
}

# Debian has nvcc in a part of its archive that nobody asks by default. It is asked where the main part comes from.
add_non_free() {
    local name uri option="" key=/usr/share/keyrings/debian-archive-keyring.gpg
    local list=/etc/apt/sources.list.d/peftnative-non-free.list
    # "apt-cache show" also succeeds for a name that other packages only mention.
    if [[ $(id -u) != 0 || ! -d /etc/apt ]]; then return; fi
    if apt-cache policy nvidia-cuda-toolkit | grep -q 'Candidate: [0-9]'; then return; fi
    name=$(. /etc/os-release && [[ $ID == debian ]] && printf '%s' "$VERSION_CODENAME") || return 0
    uri=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        awk -v name="$name" '$1 == name && $2 == "main" && !found++ { print $3 }') || return 0
    [[ -n $uri ]] || return 0
    if grep -qrsi "signed-by[:=] *$key" /etc/apt/sources.list /etc/apt/sources.list.d; then
        option="[signed-by=$key] "
    fi
    printf 'deb %s%s %s contrib non-free\n' "$option" "$uri" "$name" >"$list"
    updated=false
}

# Warnings and spilled registers are errors. Without nvcc the sources are taken along for NVIDIA's run-time compiler.
build_kernels() {
    need_nvcc
    if have "${NVCC:-nvcc}"; then
        stage "Compile the CUDA kernels" "$root/kernels/build.sh" --table
        if [[ ${CI:-} == true ]]; then sed 's/^/    /' "$log"; fi # what every kernel uses
    else
        note "CUDA kernels" "not compiled: no nvcc here (Debian: apt-get install nvidia-cuda-toolkit, non-free)"
    fi
}

# ---- stages ------------------------------------------------------------------------------------------------------

# The command is compiled ahead of time where the SDK's compiler package can be had: it then starts faster.
ready_to_run=true
restore_project() {
    dotnet restore "$1" -p:ReadyToRun=true && return
    ready_to_run=false
    dotnet restore "$1"
}

restore() {
    if [[ ${CI:-} == true ]]; then stage "Check the lock files" dotnet restore "$root/PeftNative.sln" --locked-mode; fi
    stage "Restore packages" restore_project "$1"
}

build_solution() { # [options of dotnet build]
    restore "$root/PeftNative.sln"
    stage "Build the solution" dotnet build "$root/PeftNative.sln" -c Release --no-restore \
        -p:ReadyToRun=$ready_to_run "$@"
}

publish_command() { # [options of dotnet publish]
    stage "Build the command" dotnet publish "$root/src/PeftNative.Cli" -c Release --no-restore \
        -p:ReadyToRun=$ready_to_run -o "$artifacts/cli" "$@"
}

build_all() {
    need_sdk
    build_native
    build_kernels
    build_solution
    publish_command
    note "Ready" "$command"
}

demo() {
    need_sdk
    build_native peftnative_cpu
    restore "$root/src/PeftNative.Cli"
    publish_command -p:RunAnalyzers=false # they take most of the compile time, and whoever wants a demo changed nothing
    printf '\n'
    exec "$command" demo "$@"
}

# Programs to measure ours beside, where they are: a line NAME=COMMAND each. They take the flags of
# "peftnative bench step".
peers() {
    local shared=${PEFTNATIVE_SHARED:-$root/../shared}
    local torchsharp=$shared/peers/torchsharp/run.sh hugging_face=$shared/peers/hf_peft/step.py
    if [[ -x $torchsharp ]]; then
        if "$torchsharp" --hidden 64 --layers 1 --heads 4 --kv-heads 4 --ffn 64 --vocab 64 --batch 1 --seq 8 --steps 1 \
            >"$logs/torchsharp.log" 2>&1; then printf 'TorchSharp=%s\n' "$torchsharp"
        else note "TorchSharp" "skipped: it does not run here, see $logs/torchsharp.log" >&2; fi
    else
        note "TorchSharp" "skipped: there is no $torchsharp" >&2
    fi
    if [[ -f $hugging_face ]] && python3 -c 'import torch, transformers, peft' >/dev/null 2>&1; then
        printf 'Hugging Face=python3 %s\n' "$hugging_face"
    else
        note "Hugging Face PEFT" "skipped: no Python with torch, transformers and peft, or no $hugging_face" >&2
    fi
}

# Without arguments whole steps beside those of the peers, in turns; with arguments BenchmarkDotNet on single
# operations.
bench() {
    need_sdk
    build_native peftnative_cpu
    if (($# > 0)); then
        local project=PeftNative.Benchmarks
        stage "Build the benchmarks" dotnet build "$root/benchmarks/$project" -c Release
        printf '\n'
        exec dotnet "$artifacts/bin/$project/release/$project.dll" --artifacts "$artifacts/benchmarks" "$@"
    fi
    restore "$root/src/PeftNative.Cli"
    publish_command -p:RunAnalyzers=false
    local arguments=() peer
    while IFS= read -r peer; do arguments+=(--peer "$peer"); done < <(peers)
    printf '\n'
    mkdir -p "$artifacts/benchmarks"
    exec "$command" bench table --output "$artifacts/benchmarks/table.json" \
        --markdown "$artifacts/benchmarks/table.md" ${arguments[@]+"${arguments[@]}"}
}

# The command with its own runtime, for machines without .NET: benchmarks/gpu/run.sh takes it.
pack_self_contained() {
    local system=linux-x64 folder=$artifacts/self-contained
    if [[ $(uname -sm) != "Linux x86_64" ]]; then note "Self-contained command" "only made on Linux x86_64"; return; fi
    rm -rf "$folder"
    if try "Make the self-contained command" dotnet publish "$root/src/PeftNative.Cli" -c Release -r $system \
        --self-contained -p:NuGetLockFilePath="$artifacts/obj/self-contained.lock.json" -p:RestoreLockedMode=false \
        -o "$folder/peftnative"; then
        tar -czf "$artifacts/packages/peftnative-$system.tar.gz" -C "$folder" peftnative
    fi
}

make_packages() {
    rm -rf "$artifacts/packages"
    stage "Make the packages" dotnet pack "$root/PeftNative.sln" -c Release -o "$artifacts/packages"
}

pack() {
    need_sdk
    build_native peftnative_cpu
    build_kernels
    make_packages
    pack_self_contained
    local package
    for package in "$artifacts"/packages/*.{nupkg,tar.gz}; do note "" "${package##*/}"; done
}

# Outside the default build: ManagedCuda is GPLv3 since version 12, and not every registry has it.
managed_project=$root/src/PeftNative.Cuda.ManagedCuda
managed_reason="ManagedCuda-12 and ManagedCuda-CUBLAS cannot be restored from the registries of this machine"

with_managedcuda() {
    need_sdk
    build_native
    build_kernels
    try "Restore ManagedCuda" dotnet restore "$managed_project" || die "$managed_reason. The whole log: $log"
    stage "Build the backend on ManagedCuda" dotnet build "$managed_project" -c Release --no-restore
    note "Ready (GPLv3, see README.md)" "$artifacts/bin/PeftNative.Cuda.ManagedCuda/release"
}

structure() {
    need_sdk
    local project=PeftNative.Structure.Tests code=0
    stage "Build the structure tests" dotnet build "$root/tests/$project" -c Release
    try "Measure" dotnet "$artifacts/bin/$project/release/$project.dll" -noLogo -noColor || code=$?
    printf '\n'
    if ((code != 0)); then cat "$log"; else cat "$artifacts/structure.md"; fi
    return "$code"
}

clean() {
    rm -rf "$artifacts"
    note "Removed" "$artifacts"
}

# ---- tests -------------------------------------------------------------------------------------------------------

# Every suite leaves in artifacts/test-results its report, a line "passed failed skipped" in counts and a line for each
# test in times.

# summarize NAME REPORT LOG: reads a report in JUnit form (xunit and CTest both write it); prints every failure and skip
# with its reason, then the three counts.
summarize() {
    awk -v suite="$1" -v times="$results/times" -v log_file="$3" '
        function attribute(tag, name,   at) {
            at = match(tag, "[ \t\n]" name "=\"[^\"]*\"")
            return at ? plain(substr(tag, RSTART + length(name) + 3, RLENGTH - length(name) - 4)) : ""
        }
        function plain(text) {
            gsub(/&#x[Dd];/, "", text); gsub(/&#x[Aa];|&#10;/, "\n", text)
            gsub(/&lt;/, "<", text); gsub(/&gt;/, ">", text); gsub(/&quot;/, "\"", text); gsub(/&apos;/, "\047", text)
            gsub(/&amp;/, "\\&", text)
            return text
        }
        # What stands between the tags, without the frame that GoogleTest prints around it.
        function body(text) {
            gsub(/[ \t\n]*<[^>]*>/, "\n", text)
            gsub(/(^|\n)(\[[^\n]*|Running main[^\n]*|Note: Google[^\n]*| *[0-9]+ FAILED TESTS?)/, "\n", text)
            gsub(/(^|\n)[^\n]*: Skipped\n/, "\n", text)
            return plain(text)
        }
        function show(word, name, text,   lines, count, i, shown) {
            count = split(text, lines, "\n")
            printf "    %s  %s\n", word, name
            for (i = 1; i <= count && shown < 30; i++)
                if (lines[i] ~ /[^ \t\r]/) { print "             " lines[i]; shown++ }
            if (!shown) print "             no message: " log_file " has its output"
        }
        BEGIN { RS = "<testcase" }
        NR > 1 {
            head = substr($0, 1, index($0, ">"))
            rest = substr($0, length(head) + 1)
            name = attribute(head, "name")
            place = index(name, suite ".") == 1 ? length(suite) + 2 : 1
            printf "%.1f\t%s\t%.120s\n", attribute(head, "time"), suite, substr(name, place) >>times
            if (rest ~ /<(failure|error)[ >\/]/) {
                failed++
                show("failed ", name, attribute(rest, "message") "\n" body(rest))
            } else if (rest ~ /<skipped[ >\/]/ || head ~ /status="disabled"/) {
                skipped++
                show("skipped", name, body(rest))
            } else passed++
        }
        END { printf "%d %d %d\n", passed, failed, skipped }' "$2"
}

# run_suite NAME REPORT COMMAND...: a suite that crashes, hangs or runs nothing counts as one failure.
run_suite() {
    local name=$1 report=$2 started=$SECONDS code=0 details="" counts="0 0 0" p f s
    shift 2
    log=$logs/test-$name.log
    if timeout 1 true 2>/dev/null; then set -- timeout -k 10 "${suite_minutes}m" "$@"; fi
    "$@" >"$log" 2>&1 </dev/null &
    suite=$!
    { wait "$suite" || code=$?; } 2>/dev/null # the shell itself says nothing about a crash
    if [[ -s $report ]]; then
        details=$(summarize "$name" "$report" "$log")
        counts=${details##*$'\n'}
        details=${details%"$counts"}
    fi
    read -r p f s <<<"$counts"
    if ((p + f + s == 0 || (code != 0 && f == 0))); then
        f=$((f + 1))
        details+="    failed   $name as a whole: it ended with exit code $code after $((p + s)) tests. The end of $log:
$({ grep -v '^ *at ' "$log" || true; } | tail -n 12 | sed 's/^/             /')"
    fi
    printf '  %-34s%4d s   %5d passed  %3d failed  %3d skipped%s\n' \
        "$name" $((SECONDS - started)) "$p" "$f" "$s" "${details:+$'\n'${details%$'\n'}}"
    count "$p" "$f" "$s"
}

count() { echo "$@" >>"$results/counts"; } # PASSED FAILED SKIPPED

skip_suite() {
    note "$1" "skipped: $2"
    count 0 0 1
}

run_native_tests() {
    if ! compiler_found; then
        skip_suite native "no C++ compiler with CMake here"
    elif grep -q '^GTest_DIR:.*NOTFOUND' "$artifacts/cmake/CMakeCache.txt"; then
        skip_suite native "no GoogleTest here (Debian: apt-get install libgtest-dev)"
    else
        run_suite native "$results/native.xml" \
            ctest --test-dir "$artifacts/cmake" -C Release --output-on-failure --output-junit "$results/native.xml"
    fi
}

# Compiles the backend on ManagedCuda wherever its packages can be had.
run_managedcuda_check() {
    if ! try "Restore ManagedCuda" dotnet restore "$managed_project"; then
        skip_suite managedcuda "not compiled: $managed_reason"
    elif try "Build the backend on ManagedCuda" dotnet build "$managed_project" -c Release --no-restore; then
        count 1 0 0
    else
        count 0 1 0
        tail -n 20 "$log"
    fi
}

quick=false
suite="" # the process of the suite that runs in this lane

# The long suites come first, so that none of them runs on when all others have ended.
suites() {
    local name project first="PeftNative.Tests PeftNative.Cuda.Tests PeftNative.Package.Tests PeftNative.Cli.Tests"
    for name in $first; do if [[ -d $root/tests/$name ]]; then echo "$name"; fi; done
    for project in "$root"/tests/*/*.csproj; do
        name=$(basename "$project" .csproj)
        if [[ " $first " != *" $name "* ]]; then echo "$name"; fi
    done
    echo native
}

run_one() { # NAME
    local options=(-noLogo -noColor -noAutoReporters -result-junit "$results/$1.xml")
    if $quick; then options+=(-trait- "Pace=slow"); fi
    case $quick:$1 in
        *:native) run_native_tests ;;
        true:PeftNative.Cuda.Tests | true:PeftNative.Ilgpu.Tests) skip_suite "$1" "runs on an emulated device" ;;
        true:PeftNative.Package.Tests) skip_suite "$1" "builds programs from the packages" ;;
        *) run_suite "$1" "$results/$1.xml" dotnet "$artifacts/bin/$1/release/$1.dll" "${options[@]}" ;;
    esac
}

# Takes one suite after the other that no other lane has taken.
run_lane() {
    trap 'if [[ -n $suite ]]; then kill "$suite" 2>/dev/null; fi; exit 130' TERM HUP
    local name
    for name in $(suites); do
        if mkdir "$results/taken/$name" 2>/dev/null; then run_one "$name"; fi
    done
}

# Two suites at a time where there are two cores: hardly one of them keeps both busy to its end.
run_suites() {
    local lanes=() lane
    rm -rf "$results"
    mkdir -p "$results/taken"
    : >"$results/times"
    trap 'kill "${lanes[@]}" 2>/dev/null; wait; exit 130' INT TERM HUP
    for ((lane = 0; lane < 2 && lane < jobs; lane++)); do
        run_lane &
        lanes+=($!)
    done
    for lane in "${lanes[@]}"; do
        wait "$lane" && continue
        note "a lane of suites" "ended before its suites did"
        count 0 1 0
    done
    trap - INT TERM HUP
}

print_slowest() {
    printf '\n  The slowest tests, in seconds (all of them: %s)\n' "$logs/slowest.txt"
    sort -rn "$results/times" >"$logs/slowest.txt"
    head -n 20 "$logs/slowest.txt" | awk -F'\t' '{ printf "  %7.1f  %-27s%s\n", $1, $2, $3 }'
}

run_tests() { # [--quick]
    case ${1:-} in
        "") ;;
        --quick) quick=true ;;
        *) die "build.sh: test takes --quick alone, not $1" 2 ;;
    esac
    need_sdk
    need_compiler
    need_gtest
    if $quick; then
        emulator=OFF
        build_native
        build_solution -p:RunAnalyzers=false
    else
        native_checks=ON
        build_all
        make_packages # what the tests of the packages and samples build from
    fi
    printf '\n'
    run_suites
    if $quick; then
        note "Left out" "sanitizers, kernels for devices, analyzers, ManagedCuda, and what is marked slow in:"
        grep -rl 'Trait("Pace", "slow")' "$root/tests" --include='*.cs' | sort | sed "s|$root/tests/|    |"
    else
        run_managedcuda_check
        if ! have "${NVCC:-nvcc}"; then skip_suite kernels "no nvcc here: not compiled for real devices"; fi
    fi
    print_slowest
    awk '{ p += $1; f += $2; s += $3 }
        END { printf "\n%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 }' "$results/counts"
}

word=${1:-}
if (($# > 0)); then shift; fi
case $word in
    "") build_all ;;
    demo) demo "$@" ;;
    test) run_tests "$@" ;;
    bench) bench "$@" ;;
    pack) pack ;;
    --with-managedcuda) with_managedcuda ;;
    structure) structure ;;
    clean) clean ;;
    -h | --help | help) help ;;
    *) die "build.sh: no such word: $word. ./build.sh --help lists them." 2 ;;
esac
