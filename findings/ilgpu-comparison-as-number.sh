#!/usr/bin/env bash
# ILGPU 1.5.3 turns a comparison that becomes a floating-point number into the bit pattern 1 instead of the number 1.
#
# Package:   ILGPU 1.5.3, .NET SDK 8 or newer. No device is needed: the compiled code shows it.
# Input:     kernels such as `float y = x > 0f ? 1 : 0`. The C# compiler makes no branch of it but `cgt; conv.r4`. That
#            is valid IL: a comparison leaves an int32 of 0 or 1 (ECMA-335 III.3.22 to 3.26), and conv.r4 takes an
#            int32. .NET and ILGPU's emulation on the processor give 1.
# Expected:  a choice between 1.0 and 0.0 (0f3F800000 in PTX).
# Behaviour: PTX and OpenCL C choose between 1.4e-45 and 0: the bits of the integer 1, read as a float. With double
#            4.9e-324. Integers are right, and so is `x > 0f ? 1f : 0f`, of which the C# compiler makes a branch.
# Seen with 1.5.3 and SDK 10.0 on 2026-12-01: the lines of WRONG and RIGHT below, and exit code 0.
#
# Exit code: 0 while ILGPU behaves so, 1 when it does something else: then kernels may use the form again.
#            2 when it could not be seen.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat > finding.csproj <<XML
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net$(dotnet --version | cut -d. -f1).0</TargetFramework>
  </PropertyGroup>
  <ItemGroup><PackageReference Include="ILGPU" Version="[1.5.3]" /></ItemGroup>
</Project>
XML

cat > Program.cs <<'CS'
using System;
using System.Linq;
using System.Text.RegularExpressions;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.OpenCL;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

using var context = Context.Create(builder => builder.Default());
using var ptx = new PTXBackend(context, CudaArchitecture.SM_80, CudaInstructionSet.ISA_70, null);
var constructor = typeof(CLCapabilityContext).GetConstructors().Single(c => c.GetParameters().Length > 1);
var all = (CLCapabilityContext)constructor.Invoke(constructor.GetParameters().Select(_ => (object)true).ToArray());
using var openCl = new CLBackend(context, all, CLDeviceVendor.Nvidia, new CLCVersion(2, 0));
foreach (var kernel in typeof(Kernels).GetMethods().Where(m => m.DeclaringType == typeof(Kernels)))
{
    var entry = EntryPointDescription.FromImplicitlyGroupedKernel(kernel);
    Show("PTX", kernel.Name, ((PTXCompiledKernel)ptx.Compile(entry, KernelSpecialization.Empty)).PTXAssembly, "selp");
    Show("OpenCL", kernel.Name, ((CLCompiledKernel)openCl.Compile(entry, KernelSpecialization.Empty)).Source, " ? ");
}

// The line that chooses between the two numbers.
static void Show(string language, string kernel, string code, string word)
{
    foreach (var line in code.Split('\n').Where(l => l.Contains(word)))
        Console.WriteLine($"{language} {kernel}: {Regex.Replace(line.Trim(), @"\s+", " ")}");
}

public static class Kernels
{
    public static void AsFloat(Index1D i, ArrayView<float> x, ArrayView<float> y) => y[i] = x[i] > 0f ? 1 : 0;
    public static void AsDouble(Index1D i, ArrayView<float> x, ArrayView<double> y) => y[i] = x[i] > 0f ? 1 : 0;
    public static void AsInteger(Index1D i, ArrayView<float> x, ArrayView<int> y) => y[i] = x[i] > 0f ? 1 : 0;
    public static void WithBranch(Index1D i, ArrayView<float> x, ArrayView<float> y) => y[i] = x[i] > 0f ? 1f : 0f;
}
CS

dotnet build -c Release -o out -v q --nologo > build.log 2>&1 || { cat build.log; exit 2; }
dotnet out/finding.dll > seen.txt || { cat seen.txt; exit 2; }

cat > expected.txt <<'WRONG_AND_RIGHT'
PTX AsFloat: selp.b32 %f2, 0f00000001, 0f00000000, %p1;
OpenCL AsFloat: var16 = var13 ? 1.40129846E-45f : 0.0f;
PTX AsDouble: selp.b64 %fd1, 0d0000000000000001, 0d0000000000000000, %p1;
OpenCL AsDouble: var16 = var13 ? 4.9406564584124654E-324 : 0;
PTX AsInteger: selp.b32 %r5, 1, 0, %p1;
OpenCL AsInteger: var16 = var13 ? 1 : 0;
PTX WithBranch: selp.b32 %f2, 0f3F800000, 0f00000000, %p1;
OpenCL WithBranch: var16 = var13 ? 1.0f : 0.0f;
WRONG_AND_RIGHT

# WRONG: AsFloat, AsDouble.   RIGHT: AsInteger, WithBranch.
cat seen.txt
if diff expected.txt seen.txt; then
    echo "ILGPU 1.5.3 still takes a comparison for the bits of a floating-point number."
else
    echo "ILGPU's behaviour changed: see the differences above."
    exit 1
fi
