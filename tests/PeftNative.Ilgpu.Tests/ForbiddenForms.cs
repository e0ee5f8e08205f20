using ILGPU;

namespace PeftNative.Ilgpu.Tests;

/// <summary>
/// What a kernel must not say: the C# compiler makes a comparison and a conversion of it, without a branch, and ILGPU
/// 1.5.3 for PTX and OpenCL takes the result for bits (<c>findings/ilgpu-comparison-as-number.sh</c>).
/// </summary>
internal static class ForbiddenForms
{
    public static void ToFloat(Index1D i, ArrayView<float> x, ArrayView<float> y) => y[i] = x[i] > 0 ? 1 : 0;

    public static void ToDouble(Index1D i, ArrayView<float> x, ArrayView<double> y) => y[i] = x[i] > 0 ? 1 : 0;

    public static void OfIntegers(Index1D i, ArrayView<int> x, ArrayView<float> y) =>
        y[i] = 2 - (float)(x[i] == 3 ? 1 : 0);

    public static void Turned(Index1D i, ArrayView<float> x, ArrayView<float> y) => y[i] = x[i] >= 0 ? 0 : 1;

    public static void OfTwo(Index1D i, ArrayView<float> x, ArrayView<float> y) => y[i] = x[i] > 0 & x[i] < 7 ? 1 : 0;

    public static void Joined(Index1D i, ArrayView<float> x, ArrayView<float> y) => y[i] = x[i] > 0 && x[i] < 7 ? 1 : 0;

    public static void OfUnsigned(Index1D i, ArrayView<float> x, ArrayView<float> y) => y[i] = x[i] > 0 ? 1u : 0u;

    public static void ThroughACall(Index1D i, ArrayView<float> x, ArrayView<float> y) => y[i] = IsLarge(x[i]) ? 1 : 0;

    public static void OfAnArgument(Index1D i, bool large, ArrayView<float> y) => y[i] = large ? 1 : 0;

    private static bool IsLarge(float x) => x > 100;
}

/// <summary>What a kernel may say.</summary>
internal static class AllowedForms
{
    public static void WithBranch(Index1D i, ArrayView<float> x, ArrayView<float> y) => y[i] = x[i] > 0 ? 1f : 0f;

    public static void OtherNumbers(Index1D i, ArrayView<float> x, ArrayView<float> y) => y[i] = x[i] > 0 ? x[i] : 0;

    public static void Integers(Index1D i, ArrayView<float> x, ArrayView<int> y) => y[i] = x[i] > 0 ? 1 : 0;

    public static void AnIndex(Index1D i, ArrayView<int> x, ArrayView<float> y) => y[i] = x[i] + 1;
}
