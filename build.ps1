# Builds, tests and packs PeftNative. `./build.ps1 --help` lists the words; build.sh has the same ones.
# Runs in Windows PowerShell 5.1 and in PowerShell 7.
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version 2

$root = $PSScriptRoot
$artifacts = Join-Path $root 'artifacts'
$logs = Join-Path $artifacts 'logs'
$results = Join-Path $artifacts 'test-results'
$onWindows = $env:OS -eq 'Windows_NT'
$command = Join-Path (Join-Path $artifacts 'cli') $(if ($onWindows) { 'peftnative.exe' } else { 'peftnative' })
$solution = Join-Path $root 'PeftNative.sln'
$commandProject = Join-Path $root 'src/PeftNative.Cli'
$env:DOTNET_NOLOGO = '1'
$env:DOTNET_CLI_TELEMETRY_OPTOUT = '1'
if ($env:CI -eq 'true') {
    # Leave no process behind.
    $env:MSBUILDDISABLENODEREUSE = '1'
    $env:UseSharedCompilation = 'false'
}

function Show-Help {
    Write-Host @'
usage: ./build.ps1 [word] [arguments]

  (none)   build everything into artifacts/; the command is artifacts/cli/peftnative
  demo     build what is missing and run the demo          (arguments go to peftnative demo)
  test     build everything and run every test; with --quick what is fast and needs no sanitizer and no emulator
  bench    training steps beside the machine's peaks       (arguments go to BenchmarkDotNet: --filter '*Linear*')
  pack     make the packages in artifacts/packages
  structure   the measures of the code's structure, and which rooms go in circles
  clean    remove artifacts/
  --help   this text

Needs the .NET SDK 10. A C++ compiler and CMake give the fast native backend; without them the managed one does the
work. No GPU is needed.
'@
}

function Stop-Build([string] $message, [int] $code = 1) {
    [Console]::Error.WriteLine($message)
    exit $code
}

function Test-Command([string] $name) {
    return [bool](Get-Command $name -CommandType Application -ErrorAction SilentlyContinue)
}

function Write-Note([string] $name, [string] $text) { Write-Host ('  {0,-34}{1}' -f $name, $text) }

# Runs a program with its output in a file and returns its exit code.
function Invoke-Logged([string] $log, [string] $program, [string[]] $arguments) {
    # Windows PowerShell turns a program's standard error into errors of its own.
    $ErrorActionPreference = 'Continue'
    & $program @arguments 2>&1 | ForEach-Object { "$_" } | Out-File -FilePath $log -Encoding utf8
    return $LASTEXITCODE
}

# Runs one stage quietly and prints its name and time; a failed one ends the build with the end of its log.
function Invoke-Stage([string] $name, [string] $program, [string[]] $arguments) {
    [void](New-Item -ItemType Directory -Force -Path $logs)
    $log = Join-Path $logs (($name -replace '[^A-Za-z0-9]+', '-') + '.log')
    Write-Host ('  {0,-34}' -f $name) -NoNewline
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $code = Invoke-Logged $log $program $arguments
    if ($code -eq 0) { Write-Host ('{0,4:0} s' -f $watch.Elapsed.TotalSeconds); return }
    Write-Host 'failed'
    Write-Host ''
    Get-Content -Path $log -Tail 40 | ForEach-Object { [Console]::Error.WriteLine($_) }
    Stop-Build "`n$name failed. The whole log: $log"
}

# ---- what the build needs ----------------------------------------------------------------------------------------

function Test-Sdk {
    if (-not (Test-Command 'dotnet')) { return $false }
    $ErrorActionPreference = 'Continue'
    Push-Location $root
    try { [void](& dotnet --version 2>&1); return $LASTEXITCODE -eq 0 } finally { Pop-Location }
}

function Assert-Sdk {
    if (Test-Sdk) { return }
    Stop-Build 'PeftNative needs the .NET SDK 10. How to get it: https://dotnet.microsoft.com/download/dotnet/10.0'
}

function Find-VisualStudio {
    if (-not $onWindows) { return $null }
    $finder = Join-Path ${env:ProgramFiles(x86)} 'Microsoft Visual Studio\Installer\vswhere.exe'
    if (-not (Test-Path $finder)) { return $null }
    & $finder -latest -products * -requires Microsoft.VisualStudio.Component.VC.Tools.x86.x64 `
        -property installationPath
}

# A compiler inside Visual Studio is not on the path, and neither is the CMake that comes with it; CMake finds the
# compiler.
function Test-Compiler {
    $studio = Find-VisualStudio
    if ($studio -and -not (Test-Command 'cmake')) {
        $env:PATH += ';' + (Join-Path $studio 'Common7\IDE\CommonExtensions\Microsoft\CMake\CMake\bin')
    }
    $compiler = $studio -or (Test-Command 'cl') -or (Test-Command 'clang++') -or (Test-Command 'g++')
    return [bool]($compiler -and (Test-Command 'cmake'))
}

$nativeChecks = 'OFF' # ON: the native libraries under sanitizers and kernels with seeded bugs as well, for the tests
$emulator = 'ON'      # the emulated CUDA driver

function Build-Native([string] $target) {
    if (-not (Test-Compiler)) {
        Write-Note 'Native library' `
            'none: no C++ compiler with CMake here, so the managed backend does the work, more slowly'
        Write-Note '' 'to get it: Visual Studio Build Tools with "Desktop development with C++" (CMake is part of it)'
        return
    }
    $folder = Join-Path $artifacts 'cmake'
    Invoke-Stage 'Configure the native library' cmake `
        @('-S', $root, '-B', $folder, '-DCMAKE_BUILD_TYPE=Release', "-DPEFTNATIVE_CHECKS=$nativeChecks",
            "-DPEFTNATIVE_EMULATOR=$emulator")
    $arguments = @('--build', $folder, '--config', 'Release', '--parallel', [Environment]::ProcessorCount)
    if ($target) { $arguments += '--target', $target }
    Invoke-Stage 'Build the native library' cmake $arguments
}

# ---- stages ------------------------------------------------------------------------------------------------------

# The command is compiled ahead of time where the SDK's compiler package can be had: it then starts faster.
function Restore-Packages([string] $project) {
    if ($env:CI -eq 'true') { Invoke-Stage 'Check the lock files' dotnet @('restore', $solution, '--locked-mode') }
    $script:readyToRun = 'true'
    [void](New-Item -ItemType Directory -Force -Path $logs)
    $code = Invoke-Logged (Join-Path $logs 'Restore-compiler.log') dotnet @('restore', $project, '-p:ReadyToRun=true')
    if ($code -ne 0) { $script:readyToRun = 'false' }
    Invoke-Stage 'Restore packages' dotnet @('restore', $project, "-p:ReadyToRun=$readyToRun")
}

function Build-Solution([string[]] $options = @()) {
    Restore-Packages $solution
    Invoke-Stage 'Build the solution' dotnet `
        (@('build', $solution, '-c', 'Release', '--no-restore', "-p:ReadyToRun=$readyToRun") + $options)
}

function Publish-Command([string[]] $options = @()) {
    Invoke-Stage 'Build the command' dotnet (@('publish', $commandProject, '-c', 'Release', '--no-restore',
            "-p:ReadyToRun=$readyToRun", '-o', (Join-Path $artifacts 'cli')) + $options)
}

function Build-All {
    Assert-Sdk
    Build-Native
    Build-Solution
    Publish-Command
    Write-Note 'Ready' $command
}

function Invoke-Demo([string[]] $arguments) {
    Assert-Sdk
    Build-Native 'peftnative_cpu'
    Restore-Packages $commandProject
    # The analyzers take most of the compile time, and whoever wants a demo changed nothing.
    Publish-Command '-p:RunAnalyzers=false'
    Write-Host ''
    & $command demo @arguments
    exit $LASTEXITCODE
}

function Invoke-Bench([string[]] $arguments) {
    Assert-Sdk
    Build-Native 'peftnative_cpu'
    $reports = Join-Path $artifacts 'benchmarks'
    if (-not $arguments) {
        Restore-Packages $commandProject
        Publish-Command '-p:RunAnalyzers=false'
        Write-Host ''
        New-Item -ItemType Directory -Force $reports | Out-Null
        & $command bench table --output (Join-Path $reports 'table.json') --markdown (Join-Path $reports 'table.md')
        exit $LASTEXITCODE
    }
    $project = 'PeftNative.Benchmarks'
    Invoke-Stage 'Build the benchmarks' dotnet @('build', (Join-Path $root "benchmarks/$project"), '-c', 'Release')
    Write-Host ''
    & dotnet (Join-Path $artifacts "bin/$project/release/$project.dll") --artifacts $reports @arguments
    exit $LASTEXITCODE
}

function New-Packages {
    $packages = Join-Path $artifacts 'packages'
    if (Test-Path $packages) { Remove-Item -Recurse -Force $packages }
    Invoke-Stage 'Make the packages' dotnet @('pack', $solution, '-c', 'Release', '-o', $packages)
}

function Invoke-Pack {
    Assert-Sdk
    Build-Native 'peftnative_cpu'
    $packages = Join-Path $artifacts 'packages'
    New-Packages
    Get-ChildItem -Path $packages -Filter '*.nupkg' | ForEach-Object { Write-Note '' $_.Name }
}

function Invoke-Clean {
    if (Test-Path $artifacts) { Remove-Item -Recurse -Force $artifacts }
    Write-Note 'Removed' $artifacts
}

# ---- tests -------------------------------------------------------------------------------------------------------

$passed = 0
$failed = 0
$skipped = 0
$times = @() # of every test: seconds, suite, name

function Write-Case([string] $word, [string] $name, [string] $text, [string] $log) {
    Write-Host "    $word  $name"
    # Without the frame that GoogleTest prints around what a test says.
    $frame = '^(\[|Running main|Note: Google| *\d+ FAILED TESTS?)|: Skipped$'
    $lines = @($text.Trim() -split "`r?`n" | Where-Object { $_ -match '\S' -and $_ -notmatch $frame } |
            Select-Object -First 30)
    if (-not $lines) { $lines = @("no message: $log has its output") }
    $lines | ForEach-Object { Write-Host "             $_" }
}

# Runs a suite and reads its report in JUnit form (xunit and CTest both write it).
# A suite that crashes or runs nothing counts as one failure.
function Invoke-Suite([string] $name, [string] $report, [string] $program, [string[]] $arguments) {
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $log = Join-Path $logs "test-$name.log"
    if (Test-Path $report) { Remove-Item -Force $report }
    $code = Invoke-Logged $log $program $arguments
    $cases = @()
    if (Test-Path $report) {
        $xml = New-Object System.Xml.XmlDocument
        $xml.Load($report)
        $cases = @($xml.SelectNodes('//testcase'))
    }
    $bad = @($cases | Where-Object { $_.SelectSingleNode('failure | error') })
    $off = @($cases | Where-Object { -not $_.SelectSingleNode('failure | error') -and
            ($_.SelectSingleNode('skipped') -or $_.GetAttribute('status') -eq 'disabled') })
    $good = $cases.Count - $bad.Count - $off.Count
    $broken = $cases.Count -eq 0 -or ($code -ne 0 -and $bad.Count -eq 0)
    $failures = $bad.Count + [int]$broken
    Write-Host ('  {0,-34}{1,4:0} s   {2,5} passed  {3,3} failed  {4,3} skipped' -f `
            $name, $watch.Elapsed.TotalSeconds, $good, $failures, $off.Count)
    foreach ($case in $cases) {
        $script:times += [pscustomobject]@{ Suite = $name; Name = $case.GetAttribute('name').Replace("$name.", '')
            Seconds = [double]::Parse('0' + $case.GetAttribute('time'), [cultureinfo]::InvariantCulture) }
        if ($bad -contains $case) {
            $reason = $case.SelectSingleNode('failure | error').GetAttribute('message')
            Write-Case 'failed ' $case.GetAttribute('name') "$reason`n$($case.InnerText.Trim())" $log
        }
        elseif ($off -contains $case) { Write-Case 'skipped' $case.GetAttribute('name') $case.InnerText $log }
    }
    if ($broken) {
        $end = "it ended with exit code $code after $($cases.Count) tests. The end of ${log}:"
        Write-Host "    failed   $name as a whole: $end"
        Get-Content -Path $log | Where-Object { $_ -notmatch '^ *at ' } | Select-Object -Last 12 |
            ForEach-Object { Write-Host "             $_" }
    }
    $script:passed += $good
    $script:failed += $failures
    $script:skipped += $off.Count
}

function Skip-Suite([string] $name, [string] $reason) {
    Write-Note $name "skipped: $reason"
    $script:skipped++
}

function Invoke-NativeTests {
    $folder = Join-Path $artifacts 'cmake'
    $report = Join-Path $results 'native.xml'
    if (-not (Test-Compiler)) {
        Skip-Suite 'native' 'no C++ compiler with CMake here'
    }
    elseif (Select-String -Quiet -Path (Join-Path $folder 'CMakeCache.txt') -Pattern '^GTest_DIR:.*NOTFOUND') {
        Skip-Suite 'native' 'no GoogleTest here'
    }
    else {
        Invoke-Suite 'native' $report ctest `
            @('--test-dir', $folder, '-C', 'Release', '--output-on-failure', '--output-junit', $report)
    }
}

function Write-Slowest {
    $list = Join-Path $logs 'slowest.txt'
    $lines = @($times | Sort-Object -Property Seconds -Descending |
            ForEach-Object { '  {0,7:0.0}  {1,-27}{2}' -f $_.Seconds, $_.Suite, $_.Name })
    $lines | Out-File -FilePath $list -Encoding utf8
    Write-Host "`n  The slowest tests, in seconds (all of them: $list)"
    $lines | Select-Object -First 20 | ForEach-Object { Write-Host $_.Substring(0, [Math]::Min(150, $_.Length)) }
}

# What a quick run leaves out, and why.
$slowSuites = @{
    'PeftNative.Cuda.Tests' = 'runs on an emulated device'
    'PeftNative.Ilgpu.Tests' = 'runs on an emulated device'
    'PeftNative.Package.Tests' = 'builds programs from the packages'
}

function Write-LeftOut {
    Write-Note 'Left out' 'sanitizers, kernels for devices, analyzers, ManagedCuda, and what is marked slow in:'
    Get-ChildItem -Path (Join-Path $root 'tests') -Filter '*.cs' -Recurse |
        Where-Object { Select-String -Quiet -SimpleMatch -Path $_.FullName -Pattern 'Trait("Pace", "slow")' } |
        ForEach-Object { Write-Host "    $($_.BaseName)" }
}

function Invoke-Tests([string[]] $arguments) {
    $quick = $arguments -contains '--quick'
    if (@($arguments | Where-Object { $_ -ne '--quick' })) {
        Stop-Build "build.ps1: test takes --quick alone, not $arguments" 2
    }
    $options = @()
    if ($quick) {
        $options = @('-trait-', 'Pace=slow')
        $script:emulator = 'OFF'
        Assert-Sdk
        Build-Native
        Build-Solution '-p:RunAnalyzers=false'
    }
    else {
        $script:nativeChecks = 'ON'
        Build-All
        New-Packages # what the tests of the packages and samples build from
    }
    [void](New-Item -ItemType Directory -Force -Path $results)
    Write-Host ''
    foreach ($project in Get-ChildItem -Path (Join-Path $root 'tests/*/*.csproj')) {
        $name = $project.BaseName
        if ($quick -and $slowSuites.ContainsKey($name)) { Skip-Suite $name $slowSuites[$name]; continue }
        $report = Join-Path $results "$name.xml"
        Invoke-Suite $name $report dotnet (@((Join-Path $artifacts "bin/$name/release/$name.dll"),
            '-noLogo', '-noColor', '-noAutoReporters', '-result-junit', $report) + $options)
    }
    Invoke-NativeTests
    if ($quick) { Write-LeftOut } else { Skip-Suite 'kernels' 'not compiled for real devices: build.sh does that' }
    Write-Slowest
    Write-Host "`n$passed passed, $failed failed, $skipped skipped"
    exit [int]($failed -gt 0)
}

function Show-Structure {
    $project = 'PeftNative.Structure.Tests'
    Invoke-Stage 'Build the structure tests' dotnet @('build', (Join-Path $root "tests/$project"), '-c', 'Release')
    Invoke-Stage 'Measure' dotnet @((Join-Path $artifacts "bin/$project/release/$project.dll"), '-noLogo', '-noColor')
    Write-Host ''
    Get-Content (Join-Path $artifacts 'structure.md') | Write-Host
}

$word, $rest = $args
$rest = @($rest | Where-Object { $null -ne $_ })
switch ("$word") {
    '' { Build-All }
    'demo' { Invoke-Demo $rest }
    'test' { Invoke-Tests $rest }
    'bench' { Invoke-Bench $rest }
    'pack' { Invoke-Pack }
    'structure' { Show-Structure }
    'clean' { Invoke-Clean }
    { $_ -in '-h', '--help', 'help' } { Show-Help }
    default { Stop-Build "build.ps1: no such word: $word. ./build.ps1 --help lists them." 2 }
}
