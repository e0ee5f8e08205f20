using PeftNative.Cuda.Driver;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Models.Loading;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Matching;
using PeftNative.Training.Loop;
using Xunit;

namespace PeftNative.Cuda.Tests;

/// <summary>
/// A run that ends with an error of the driver: one clear error, nothing left on the device, the last checkpoint whole.
/// Every trial goes on from the checkpoint of the second step and takes the third and last.
/// </summary>
public sealed class TrainingErrorTests : IDisposable
{
    private const int Steps = 3;

    private readonly string root = Directory.CreateTempSubdirectory("peftnative-cuda-").FullName;

    public TrainingErrorTests()
    {
        Emulator.Require();
        Run(Output, null);
    }

    private string Output => Path.Combine(root, "run");

    private string Trial => Path.Combine(root, "trial");

    private string Checkpoint => Path.Combine(Output, "checkpoint-2");

    public void Dispose()
    {
        Emulator.Fail(0, CudaResult.Success);
        Directory.Delete(root, recursive: true);
    }

    /// <summary>From loading the model to the saved adapter.</summary>
    [Theory]
    [InlineData("cuMemAlloc_v2")]
    [InlineData("cuMemHostAlloc")]
    public void No_memory_at_any_allocation_is_one_error(string call)
    {
        var before = Emulator.Live();
        var refused = 0;
        while (Fails(() => Emulator.Fail(refused + 1, CudaResult.OutOfMemory, call), before, null) is { } error)
        {
            var memory = Assert.IsType<ResourceException>(error);
            Assert.Contains("not enough memory", memory.What);
            Assert.False(string.IsNullOrEmpty(memory.Where));
            Assert.False(string.IsNullOrEmpty(memory.Remedy));
            refused++;
        }
        Assert.InRange(refused, 1, 1000);
        AssertGoesOn();
    }

    /// <summary>Calls of the third step alone; a launch that fails loses the device.</summary>
    [Theory]
    [InlineData(nameof(CudaResult.InvalidValue))]
    [InlineData(nameof(CudaResult.LaunchFailed))]
    public void A_failing_call_at_any_position_of_a_step_is_one_error(string name)
    {
        var result = Enum.Parse<CudaResult>(name);
        var before = Emulator.Live();
        var first = 0L;
        var calls = 0L;
        Assert.Null(Fails(null, before, () => first = Emulator.Calls, () => calls = Emulator.Calls - first));
        Assert.InRange(calls, 100, 2000);
        for (var k = 1; k <= calls; k++)
        {
            var position = k;
            var error = Fails(null, before, () => Emulator.Fail(position, result));
            if (error is null)
            {
                // Nobody needs to know that memory was not given back: it goes with the context.
                Assert.Contains("cuMemFree_v2: made to fail", Emulator.Report());
                continue;
            }
            Assert.Contains("answered CUDA_ERROR", error.What);
            Assert.False(string.IsNullOrEmpty(error.Remedy), error.Message);
        }
        AssertGoesOn();
    }

    /// <summary>Runs the third step; returns its error after checking what it left behind.</summary>
    private PeftNativeException? Fails(Action? first, string before, Action? atStep, Action? atEnd = null)
    {
        CopyRun();
        first?.Invoke();
        var error = Record.Exception(() => Run(Trial, Path.Combine(Trial, "checkpoint-2"), atStep, atEnd));
        Emulator.Fail(0, CudaResult.Success);
        Assert.Equal(before, Emulator.Live());
        Assert.Equal(Path.Combine(Trial, "checkpoint-2"), RunFolder.FindLast(Trial));
        AssertSameFiles(Checkpoint, Path.Combine(Trial, "checkpoint-2"));
        if (error is null) return null;
        var known = Assert.IsAssignableFrom<PeftNativeException>(error);
        Assert.Equal(7, known.ExitCode);
        return known;
    }

    /// <summary>The run that failed ends as if nothing had happened.</summary>
    private void AssertGoesOn()
    {
        Run(Trial, RunFolder.FindLast(Trial));
        foreach (var file in Directory.GetFiles(Output))
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(Trial, Path.GetFileName(file))));
    }

    private static void Run(string output, string? from, Action? atStep = null, Action? atEnd = null)
    {
        using var backend = Emulator.Open();
        var (model, _) = ModelLoader.Load(backend,
            Path.Combine(AppContext.BaseDirectory, "golden", "bases", "llama-causal"));
        using var held = model;
        using var adapter = new LoraConfig { R = 3, Dropout = 0.1,
            Targets = new TargetModules(null, "all-linear") }.Create(model, 1, true, "default");
        using var trainer = new Trainer(model, adapter, Data(), null, new TrainerOptions
        {
            MaxSteps = Steps, BatchSize = 2, LearningRate = 1e-2, SaveSteps = 1, SaveTotalLimit = Steps,
            Output = output, ResumeFrom = from,
        });
        atStep?.Invoke();
        var result = trainer.Run(cancellation: TestContext.Current.CancellationToken);
        atEnd?.Invoke();
        Assert.Equal(RunEnd.Completed, result.End);
    }

    private static EncodedData Data() => EncodedData.Of([.. Enumerable.Range(0, 6).Select(i =>
    {
        int[] ids = [.. Enumerable.Range(0, 5 + i).Select(j => (7 * i + 5 * j + 1) % 97)];
        return new Example { Ids = ids, Labels = ids, Origin = new RecordOrigin("made up", i + 1) };
    })]);

    private void CopyRun()
    {
        if (Directory.Exists(Trial)) Directory.Delete(Trial, recursive: true);
        foreach (var folder in (string[])["checkpoint-1", "checkpoint-2"])
        {
            Directory.CreateDirectory(Path.Combine(Trial, folder));
            foreach (var file in Directory.GetFiles(Path.Combine(Output, folder)))
                File.Copy(file, Path.Combine(Trial, folder, Path.GetFileName(file)));
        }
    }

    private static void AssertSameFiles(string expected, string actual)
    {
        var names = Directory.GetFiles(expected).Select(f => Path.GetFileName(f))
            .Order(StringComparer.Ordinal).ToList();
        Assert.Equal(names, Directory.GetFiles(actual).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal));
        foreach (var name in names)
            Assert.Equal(File.ReadAllBytes(Path.Combine(expected, name)),
                File.ReadAllBytes(Path.Combine(actual, name)));
    }
}
