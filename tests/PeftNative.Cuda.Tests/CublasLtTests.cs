using PeftNative.Cuda.Driver;
using PeftNative.Cuda.Products;
using PeftNative.Ops;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Cuda.Tests;

/// <summary>
/// Products by cuBLASLt as the emulator has it, and what the library of this machine says to their descriptions.
/// </summary>
public sealed class CublasLtTests
{
    private static readonly CublasLtOptions First = new(CublasLtMode.First, null);

    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.BFloat16)]
    [InlineData(DType.Float16)]
    public void Products_have_the_bits_of_cublas(DType type) =>
        Assert.Equal(Results(type, "off"), Results(type, "first"));

    [Theory]
    [InlineData(DType.Float32, DType.Float32)]
    [InlineData(DType.BFloat16, DType.BFloat16)]
    [InlineData(DType.BFloat16, DType.Float32)]
    public void Bias_and_another_matrix_are_added_before_the_result_is_rounded(DType type, DType result)
    {
        using var trial = new ProductTrial(type);
        var product = trial.Make(5, 11, 9, result: result, beta: 1);
        var (added, bias) = (trial.Filled(result, 5, 11, 4), trial.Filled(result, 1, 11, 5));
        // In fp32, where everything here is exact.
        var exact = trial.Run(trial.Make(5, 11, 9, result: DType.Float32));
        var (addedValues, biasValues) = (trial.Read(added), trial.Read(bias));
        var expected = exact.Select((x, i) => x + addedValues[i] + biasValues[i % 11]);
        var actual = trial.Run(product with { Added = added, Bias = bias });
        Assert.Equal(result == DType.Float32 ? expected : expected.Select(x => (float)(BFloat16)x), actual);
    }

    [Fact]
    public void A_refused_heuristic_is_one_error_with_the_call_and_the_shapes()
    {
        using var trial = new ProductTrial(DType.BFloat16);
        var product = trial.Make(5, 11, 9);
        Emulator.Fail(1, CudaResult.NotSupported, "cublasLtMatmulAlgoGetHeuristic");
        var error = Assert.Throws<CudaException>(() => trial.Run(product));
        Assert.Equal("cuBLAS refused: cublasLtMatmulAlgoGetHeuristic answered CUBLAS_STATUS_NOT_SUPPORTED.",
            error.What);
        Assert.Equal("operands bf16[5, 9] stride 12, bf16[11, 9] stride 12', bf16[5, 11] stride 14", error.Where);
        Assert.Contains("PEFTNATIVE_CUBLASLT=off", error.Remedy);
        Assert.NotEmpty(trial.Run(product)); // the next time it is asked again
    }

    /// <summary>The layer then adds the bias by a kernel.</summary>
    [Fact]
    public void A_bias_that_no_algorithm_adds_is_left_to_the_caller_for_good()
    {
        using var trial = new ProductTrial(); // whose numbers are exact in fp32
        var plain = trial.Make(5, 11, 9);
        var op = new LinearOp { X = plain.A, W = plain.B, Bias = trial.Filled(DType.Float32, 1, 11, 5),
            Y = plain.Result };
        trial.Backend.Products.SmallestProduct = 1;
        trial.Backend.Forward(op);
        var expected = trial.Read(op.Y);
        op = op with { X = trial.Make(5, 11, 9).A.RowRange(0, 4), Y = op.Y.RowRange(0, 4) };
        Emulator.Fail(1, CudaResult.NotSupported, "cublasLtMatmulAlgoGetHeuristic");
        for (var time = 0; time < 2; time++)
        {
            trial.Backend.Fill(op.Y, 0);
            trial.Backend.Forward(op);
            Assert.Equal(expected[..(4 * 11)], trial.Read(op.Y));
            // nobody asks again
            Emulator.Fail(time == 0 ? 1 : 0, CudaResult.InvalidValue, "cublasLtMatmulAlgoGetHeuristic");
        }
    }

    [Theory]
    [InlineData("first", nameof(CudaResult.InvalidValue))]
    [InlineData("first", nameof(CudaResult.OutOfMemory))]
    [InlineData("tune", nameof(CudaResult.InvalidValue))]
    [InlineData("tune", nameof(CudaResult.LaunchFailed))]
    public void A_failing_call_at_every_position_is_one_error_and_leaves_nothing_behind(string mode, string name)
    {
        Emulator.Require();
        using var chosen = new Variable(CublasLtOptions.ModeVariable, mode);
        using var nowhere = new Variable(CublasLtOptions.FileVariable, "off");
        var before = Emulator.Live();
        var calls = Trial(0);
        Assert.InRange(calls, 15, 200);
        var refused = 0;
        for (var k = 1; k <= calls; k++)
        {
            var position = k;
            var error = Record.Exception(() => Trial(position));
            Emulator.Fail(0, CudaResult.Success);
            Assert.True(before == Emulator.Live(), $"after call {k} of {calls}: {Emulator.Live()}, before {before}");
            // an algorithm that does not run is not chosen, and giving back is nobody's concern
            if (error is null) continue;
            refused++;
            Assert.Equal(7, Assert.IsAssignableFrom<PeftNativeException>(error).ExitCode);
        }
        Assert.InRange(refused, calls / 3, calls);

        long Trial(int position)
        {
            using var trial = new ProductTrial();
            var product = trial.Make(4, 8, 16);
            var first = Emulator.Calls;
            Emulator.Fail(position, Enum.Parse<CudaResult>(name));
            trial.Backend.Products.TryMultiply(product);
            return Emulator.Calls - first;
        }
    }

    [Fact]
    public void Without_the_library_cublas_makes_the_products()
    {
        Assert.Null(CublasLt.Bind(_ => 0, First));
        Assert.Null(CublasLt.Bind(name => name == "cublasLtMatmul" ? 0 : 1, First));
        using var lt = Emulator.Open();
        Assert.Contains("cuBLASLt", lt.Description);
        Assert.True(lt.Products.HasEpilogue);
        using var off = new Variable(CublasLtOptions.ModeVariable, "off");
        using var plain = Emulator.Open();
        Assert.EndsWith(", cuBLAS", plain.Description);
        Assert.False(plain.Products.HasEpilogue);
    }

    [Fact]
    public void Ever_new_shapes_do_not_fill_the_memory_of_the_host()
    {
        const int kinds = 5000, objectsOfAKind = 5;
        using var trial = new ProductTrial();
        var product = trial.Make(kinds, 1, 1);
        for (var rows = 1; rows <= kinds; rows++)
            trial.Backend.Products.TryMultiply(product with { A = product.A.RowRange(0, rows),
                Result = product.Result.RowRange(0, rows) });
        var factor = 0.75f * trial.Read(product.B)[0];
        Assert.Equal(trial.Read(product.A).Select(x => factor * x), trial.Read(product.Result));
        Assert.InRange(int.Parse(Emulator.Live().Split("products ")[1],
            System.Globalization.CultureInfo.InvariantCulture), 2, (kinds - 1) * objectsOfAKind);
    }

    [Fact]
    public void A_mode_that_does_not_exist_is_refused()
    {
        Emulator.Require();
        using var mode = new Variable(CublasLtOptions.ModeVariable, "fastest");
        var error = Assert.Throws<UsageException>(() => Emulator.Open());
        Assert.Contains("'fastest'", error.What);
        Assert.Equal("Use first, tune or off.", error.Remedy);
    }

    /// <summary>
    /// The library needs no device to take descriptions, so numbers and sizes of attributes can be tried on any machine
    /// that has it.
    /// </summary>
    [Theory]
    [InlineData(DType.Float32, DType.Float32)]
    [InlineData(DType.BFloat16, DType.BFloat16)]
    [InlineData(DType.Float16, DType.Float32)]
    public void The_library_of_this_machine_takes_descriptions_and_preferences(DType type, DType result)
    {
        var library = CublasLt.Find(First);
        if (library is null) Assert.Skip("not exercised: no cuBLASLt on this machine");
        Assert.Matches(@"^\d+\.\d+\.\d+$", library.Version);
        var product = new MatrixProduct(new(0x1000, type, 5, 9, 12), false, new(0x2000, type, 11, 9, 9), true,
            new(0x3000, result, 5, 11, 11))
        {
            Bias = new(0x4010, result, 1, 11, 11),
        };
        using var plan = new CublasLtPlan(library, product, ProductKey.Of(product));
        plan.SetBias(product.Bias.Pointer);
        var preference = library.CreatePreference();
        library.Set(preference, LtPreferenceAttribute.WorkspaceBytes, 1UL << 25);
        foreach (var attribute in Enum.GetValues<LtPreferenceAttribute>()
            .Where(a => a != LtPreferenceAttribute.WorkspaceBytes))
            library.Set(preference, attribute, 2u);
        Assert.Throws<CudaException>(() => library.Set(preference, LtPreferenceAttribute.AlignmentA, 2UL));
        Assert.Throws<CudaException>(() => library.Set(plan.Descriptor, LtDescriptorAttribute.BiasPointer, 2u));
        library.DestroyPreference(preference);
    }

    private static List<float[]> Results(DType type, string mode)
    {
        using var chosen = new Variable(CublasLtOptions.ModeVariable, mode);
        List<float[]> results = [];
        for (var offset = 0; offset < 2; offset++)
        {
            using var trial = new ProductTrial(type, offset);
            foreach (var (rows, columns, depth) in ((int, int, int)[])[(1, 1, 1), (5, 3, 70), (16, 32, 64),
                (33, 7, 129)])
                for (var transposes = 0; transposes < 4; transposes++)
                    foreach (var result in (DType[])[type, DType.Float32])
                        foreach (var beta in (float[])[0, 1])
                            results.Add(trial.Run(trial.Make(rows, columns, depth, transposes % 2 == 1, transposes > 1,
                                result, beta)));
        }
        return results;
    }
}
