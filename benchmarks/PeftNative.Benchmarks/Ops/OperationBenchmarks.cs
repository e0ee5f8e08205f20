using BenchmarkDotNet.Attributes;
using PeftNative.Backends;
using PeftNative.Lab.Benchmarking.Operations;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Benchmarks.Ops;

/// <summary>
/// A class per operation, on the set-ups of <c>peftnative bench op</c> with their default sizes, on the native CPU
/// backend. A new one is a line that names the operation.
/// </summary>
[Config(typeof(OperationConfig))]
public abstract class OperationBenchmarks(string operation)
{
    private static readonly Dictionary<string, OperationCall> Prepared = [];

    private IBackend backend = null!;
    private BenchmarkOperands operands = null!;
    private Action run = null!;

    /// <summary>forward, backward or run.</summary>
    [ParamsSource(nameof(Directions))]
    public string Direction { get; set; } = "";

    /// <summary>Type of activations and frozen weights.</summary>
    [ParamsSource(nameof(Types))]
    public string Type { get; set; } = "";

    /// <summary>The directions of the operation.</summary>
    public abstract IEnumerable<string> Directions { get; }

    /// <summary>The types in which the backend computes.</summary>
    public static IEnumerable<string> Types => OperationConfig.Types.Select(t => t.Name());

    [GlobalSetup]
    public void Setup()
    {
        backend = BackendFactory.Create("cpu", OperationConfig.Types.First(t => t.Name() == Type));
        operands = new BenchmarkOperands(backend);
        var benchmark = OperationBenchmark.Find(operation);
        var call = benchmark.Prepare(operands, key => benchmark.Sizes.First(s => s.Key == key).Default)
            .First(c => c.Direction == Direction);
        run = call.Run;
        Prepared[Key(GetType(), Direction, Type)] = call;
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        operands.Dispose();
        backend.Dispose();
    }

    [Benchmark]
    public void Run() => run();

    /// <summary>The call that was prepared for these parameters; null before it ran.</summary>
    internal static OperationCall? Find(Type type, string direction, string name) =>
        Prepared.GetValueOrDefault(Key(type, direction, name));

    private static string Key(Type type, string direction, string name)
    {
        var owner = type.IsAbstract || type.BaseType == typeof(OperationBenchmarks) ? type : type.BaseType;
        return $"{owner} {direction} {name}";
    }
}
