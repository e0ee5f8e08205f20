using System.Buffers.Binary;
using PeftNative.Cuda.Driver;
using PeftNative.Cuda.Products;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Cuda.Tests;

/// <summary>Measured choices of algorithms, and the file that makes later runs choose the same.</summary>
public sealed class CublasLtTuningTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("peftnative-cublaslt-").FullName;
    private readonly Variable mode, file;

    public CublasLtTuningTests()
    {
        Emulator.Require();
        mode = new(CublasLtOptions.ModeVariable, "tune");
        file = new(CublasLtOptions.FileVariable, File);
    }

    private string File => Path.Combine(folder, "new", "cublaslt.txt");

    public void Dispose()
    {
        Emulator.Fail(0, CudaResult.Success);
        mode.Dispose();
        file.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void A_choice_is_measured_once_and_then_read()
    {
        var measured = Run();
        var written = System.IO.File.ReadAllLines(File);
        Assert.Equal(2, written.Length);
        Assert.Contains("bf16-bf16 nt 5x11x72", written[1]);
        Assert.Equal(measured, Run(mayMeasure: false));
        Assert.Equal(written, System.IO.File.ReadAllLines(File));
    }

    [Fact]
    public void The_first_suggestion_is_neither_measured_nor_written_down()
    {
        var measured = Run();
        System.IO.File.Delete(File);
        using var first = new Variable(CublasLtOptions.ModeVariable, null);
        Assert.Equal(measured, Run(mayMeasure: false));
        Assert.False(System.IO.File.Exists(File));
    }

    /// <summary>
    /// An algorithm that adds the parts of a sum in bf16 shows in the bits, so it shows that the file was asked.
    /// </summary>
    [Fact]
    public void What_the_file_says_is_what_is_used()
    {
        var measured = Run();
        var lines = System.IO.File.ReadAllLines(File);
        var digits = lines[1].LastIndexOf('\t') + 1;
        var algorithm = Convert.FromHexString(lines[1][digits..]);
        const int rows = 11, number = 1, inTypeOfResult = 4, alignment = 4;
        BinaryPrimitives.WriteInt32LittleEndian(algorithm.AsSpan(8), number);
        BinaryPrimitives.WriteInt32LittleEndian(algorithm.AsSpan(16), inTypeOfResult);
        BinaryPrimitives.WriteInt32LittleEndian(algorithm.AsSpan(20), alignment);
        BinaryPrimitives.WriteInt64LittleEndian(algorithm.AsSpan(24), rows * sizeof(float));
        BinaryPrimitives.WriteInt32LittleEndian(algorithm.AsSpan(32), 0); // C may lie elsewhere
        lines[1] = lines[1][..digits] + Convert.ToHexStringLower(algorithm);
        System.IO.File.WriteAllLines(File, lines);
        Assert.NotEqual(measured, Run(mayMeasure: false));
    }

    [Fact]
    public void An_algorithm_that_the_library_does_not_take_gives_way_to_the_first_suggestion()
    {
        var measured = Run();
        var lines = System.IO.File.ReadAllLines(File);
        System.IO.File.WriteAllLines(File, [lines[0], lines[1][..^128] + new string('7', 128)]);
        Assert.Equal(measured, Run(mayMeasure: false));
    }

    [Theory]
    [InlineData("")]
    [InlineData("something else\n")]
    [InlineData("peftnative cublaslt 1\nmachine\tproduct\tabc\n")]
    [InlineData("peftnative cublaslt 1\nmachine\tproduct")]
    [InlineData("peftnative cublaslt 2\n")]
    public void A_file_that_is_broken_or_another_s_is_written_anew(string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File)!);
        System.IO.File.WriteAllText(File, content);
        Run();
        var lines = System.IO.File.ReadAllLines(File);
        Assert.Equal(2, lines.Length);
        Assert.Contains("bf16-bf16 nt", lines[1]);
    }

    [Fact]
    public void Choices_of_other_machines_stay_in_the_file()
    {
        var other = $"another device\tproduct\t{new string('0', 128)}";
        Directory.CreateDirectory(Path.GetDirectoryName(File)!);
        System.IO.File.WriteAllText(File, $"peftnative cublaslt 1\n{other}\n");
        Run();
        var lines = System.IO.File.ReadAllLines(File);
        Assert.Equal(3, lines.Length);
        Assert.Contains(other, lines);
    }

    [Fact]
    public void A_file_that_cannot_be_written_is_one_error()
    {
        System.IO.File.WriteAllText(Path.Combine(folder, "new"), "");
        var error = Assert.Throws<StorageException>(() => Run());
        Assert.Equal(File, error.Where);
        Assert.Contains(CublasLtOptions.FileVariable, error.Remedy);
    }

    [Fact]
    public void A_few_rows_more_take_the_choice_of_the_same_step()
    {
        using var trial = new ProductTrial(DType.BFloat16);
        trial.Run(trial.Make(130, 8, 8));
        Forbid();
        trial.Run(trial.Make(131, 8, 8));
        trial.Run(trial.Make(144, 8, 8));
        Assert.Throws<CudaException>(() => trial.Run(trial.Make(145, 8, 8)));
    }

    [Fact]
    public void Nothing_is_measured_while_calls_are_recorded()
    {
        using var trial = new ProductTrial(DType.BFloat16);
        var (warm, product) = (trial.Make(3, 8, 8), trial.Make(5, 11, 70));
        trial.Backend.Products.TryMultiply(warm);
        Forbid();
        using var graph = trial.Backend.Record(() => trial.Backend.Products.TryMultiply(product));
        Assert.NotNull(graph);
        graph.Run(default);
        Assert.Equal(trial.Read(product.Result), trial.Run(product));
        Assert.Equal(3, System.IO.File.ReadAllLines(File).Length); // the choice is one for later runs as well
    }

    /// <summary>A product on a backend of its own; where nothing may be measured, doing so fails.</summary>
    private static float[] Run(bool mayMeasure = true)
    {
        using var trial = new ProductTrial(DType.BFloat16);
        var product = trial.Make(5, 11, 70);
        if (!mayMeasure) Forbid();
        return trial.Run(product);
    }

    private static void Forbid() => Emulator.Fail(1, CudaResult.InvalidValue, "cuEventCreate");
}
