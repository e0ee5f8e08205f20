using PeftNative.Backends.Reference;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Lab.Cases;

/// <summary>What a comparison asks of an output.</summary>
internal enum Match
{
    /// <summary>Within the limits.</summary>
    Close,

    /// <summary>Within the limits; where the reference has -∞ the value is not specified.</summary>
    CloseWhereFinite,

    /// <summary>Equal when the inputs are small integers, else within the limits.</summary>
    ExactIntegers,

    /// <summary>Equal.</summary>
    Exact,

    /// <summary>To the precision of a double, whatever the compute type.</summary>
    Double,
}

/// <summary>
/// The operands of one run of a case on one backend. Every operand lies between guard zones whose bits are all one (a
/// NaN), as do outputs before they are written: reading outside spoils a result, writing outside is seen in the end.
/// </summary>
internal sealed class CaseRun(CaseSetting setting, IBackend backend) : IDisposable
{
    private const int Guard = 64;
    private const byte Untouched = 0xFF;

    private readonly Arena arena = new(backend, "operation case");
    private readonly List<Buffer> buffers = [];
    private readonly List<CaseOutput> scalars = [];

    private enum Role
    {
        Input,
        Output,
        Scratch,
    }

    public IBackend Backend => backend;

    /// <summary>An activation that must stay as it is.</summary>
    public Tensor Input(string name, int rows, int columns, Spread? spread = null,
        Func<int, int, double, double>? shape = null) =>
        Add(name, backend.ComputeType, rows, columns, Role.Input, Drawn(name, setting.InputType, rows, spread, shape));

    /// <summary>A vector, statistic or trained matrix that must stay as it is.</summary>
    public Tensor Parameter(string name, int rows, int columns, Spread? spread = null,
        Func<int, int, double, double>? shape = null) =>
        Add(name, backend.ParameterType, rows, columns, Role.Input,
            Drawn(name, setting.ParameterType, rows, spread, shape));

    /// <summary>A vector, statistic or gradient of a parameter that is overwritten.</summary>
    public Tensor Statistic(string name, int rows, int columns, Match match = Match.Close) =>
        Add(name, backend.ParameterType, rows, columns, Role.Output, null, match);

    /// <summary>A gradient of a parameter that is added to, or a parameter changed in place.</summary>
    public Tensor Sum(string name, int rows, int columns, Match match = Match.Close,
        Func<int, int, double, double>? shape = null) =>
        Add(name, backend.ParameterType, rows, columns, Role.Output,
            Drawn(name, setting.ParameterType, rows, null, shape), match);

    /// <summary>A frozen weight, in the type of weights.</summary>
    public Tensor Weight(string name, int rows, int columns, Func<int, int, double, double>? shape = null)
    {
        var type = backend.ComputeType == setting.InputType ? setting.WeightType : backend.ComputeType;
        return Add(name, type, rows, columns, Role.Input, Drawn(name, setting.WeightType, rows, null, shape));
    }

    /// <summary>A result that is overwritten.</summary>
    public Tensor Output(string name, int rows, int columns, Match match = Match.Close) =>
        Add(name, backend.ComputeType, rows, columns, Role.Output, null, match);

    /// <summary>A result that is added to or changed in place.</summary>
    public Tensor InOut(string name, int rows, int columns, Match match = Match.Close,
        Spread? spread = null, Func<int, int, double, double>? shape = null) =>
        Add(name, backend.ComputeType, rows, columns, Role.Output,
            Drawn(name, setting.InputType, rows, spread, shape), match);

    /// <summary>An input and an output that may be the same memory: with <paramref name="inPlace"/> they are.</summary>
    public (Tensor Source, Tensor Target) Pair(bool inPlace, string source, string target, int rows, int columns,
        Match match = Match.Close, Spread? spread = null)
    {
        if (!inPlace || !setting.MayAlias)
            return (Input(source, rows, columns, spread), Output(target, rows, columns, match));
        var both = Add(target, backend.ComputeType, rows, columns, Role.Output,
            Drawn(source, setting.InputType, rows, spread, null), match);
        return (both, both);
    }

    /// <summary>A contiguous row the backend may use as it likes.</summary>
    public Tensor Scratch(DType type, int rows, int columns) =>
        Add("scratch", type, rows, columns, Role.Scratch, null, strided: false);

    /// <summary>Integers, row by row; also given to the backend as a tensor of their own, should it keep a
    /// copy.</summary>
    public Tensor Integers(string name, int rows, int columns, Func<int, int> value)
    {
        double Value(int row, int column) => value(row * columns + column);
        var tensor = Add(name, DType.Int32, rows, columns, Role.Input, Value, strided: false);
        var bytes = buffers[^1].Image.AsSpan(Guard * sizeof(int), rows * columns * sizeof(int));
        backend.Upload(bytes, tensor);
        return tensor;
    }

    /// <summary>Integers in [0, limit) as one row.</summary>
    public Tensor Indices(string name, int count, int limit) =>
        Integers(name, 1, count, i => setting.Integer(name, i, limit));

    /// <summary>Codes of 8 bits: a matrix of signed bytes, all 256 of them.</summary>
    public Tensor Codes(string name, int rows, int columns) =>
        Add(name, DType.Int8, rows, columns, Role.Input, (i, j) => setting.Integer(name, i * columns + j, 256) - 128);

    /// <summary>Bytes as a file has them: each is a function of its column and a random byte.</summary>
    public Tensor Codes(string name, int rows, int columns, Func<int, int, int> shape) =>
        Add(name, DType.Int8, rows, columns, Role.Input,
            (i, j) => (sbyte)(byte)shape(j, setting.Integer(name, i * columns + j, 256)));

    /// <summary>A row of integers that is overwritten; always compared exactly.</summary>
    public Tensor IntegerOutput(string name, int count) =>
        Add(name, DType.Int32, 1, count, Role.Output, null, Match.Exact);

    /// <summary>A result that is a number.</summary>
    public void Scalar(string name, double value, Match match) =>
        scalars.Add(new CaseOutput(name, match, null, 1, 1, [value], BitConverter.GetBytes(value)));

    /// <summary>A dropout mask with a key of its own; 0 gives none.</summary>
    public DropoutMask Mask(string name, double probability) =>
        probability > 0 ? new((float)probability, setting.Word(name), setting.Word(name + "-stream")) : default;

    /// <summary>The elements of an operand as it was at first, row by row; for a part of a matrix, those of all of
    /// it.</summary>
    public double[] Values(Tensor tensor)
    {
        var buffer = BufferOf(tensor);
        return buffer.Decode(buffer.Image);
    }

    /// <summary>The largest finite magnitude among <see cref="Values"/>.</summary>
    public double Largest(Tensor tensor) =>
        Values(tensor).Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max();

    /// <summary>Allows each element of a result an error of some roundings of the given magnitude (the sign does not
    /// matter).</summary>
    public void AllowNoise(Tensor output, Func<int, double> magnitude) => BufferOf(output).Noise = magnitude;

    public int Integer(string operand, int index, int limit) => setting.Integer(operand, index, limit);

    /// <summary>Reads everything back and checks guard zones and inputs.</summary>
    /// <exception cref="CaseFailedException">Something was written that must not be.</exception>
    public IReadOnlyList<CaseOutput> Finish()
    {
        List<CaseOutput> outputs = [.. scalars];
        foreach (var buffer in buffers)
        {
            var bytes = new byte[buffer.Image.Length];
            backend.Download(buffer.Whole, bytes);
            buffer.CheckUntouched(bytes);
            if (buffer.Role == Role.Output)
                outputs.Add(new(buffer.Name, buffer.Match, buffer.Noise, buffer.View.Rows, buffer.View.Columns,
                    buffer.Decode(bytes), bytes));
        }
        return outputs;
    }

    public void Dispose() => arena.Dispose();

    private Buffer BufferOf(Tensor tensor) => buffers.Single(b =>
        tensor.Pointer >= b.Whole.Pointer && tensor.Pointer < b.Whole.Pointer + (nint)b.Image.Length);

    private Func<int, int, double> Drawn(string name, DType roundTo, int rows, Spread? spread,
        Func<int, int, double, double>? shape) =>
        (i, j) => setting.Value(name, roundTo, i, j, rows, spread ?? Spread.Wide, shape);

    private Tensor Add(string name, DType type, int rows, int columns, Role role, Func<int, int, double>? values,
        Match match = Match.Close, bool strided = true)
    {
        var (before, after) = (0, 0);
        if (strided && setting.Case.Strided) (before, after) = (1 + buffers.Count % 5, 1 + buffers.Count % 3);
        var stride = before + columns + after;
        // Parts of a matrix without rows begin inside it too, as if it had one.
        var whole = arena.Allocate(type, 1, 2 * Guard + Math.Max(rows, 1) * stride);
        var view = new Tensor(whole.Pointer + (Guard + before) * type.Size(), type, rows, columns, stride);
        var buffer = new Buffer(name, whole, view, role, match);
        Array.Fill(buffer.Image, Untouched);
        if (values is not null) buffer.Encode(values);
        backend.Upload(buffer.Image, whole);
        buffers.Add(buffer);
        return view;
    }

    private sealed record Buffer(string Name, Tensor Whole, Tensor View, Role Role, Match Match)
    {
        /// <summary>The bytes as they were uploaded.</summary>
        public byte[] Image { get; } = new byte[Whole.Count * Whole.Type.Size()];

        public Func<int, double>? Noise { get; set; }

        private int Size => Whole.Type.Size();

        public unsafe void Encode(Func<int, int, double> values)
        {
            fixed (byte* start = Image)
                for (var i = 0; i < View.Rows; i++)
                    for (var j = 0; j < View.Columns; j++)
                        Elements.Set(OnHost(start), i, j, values(i, j));
        }

        /// <summary>The elements row by row; the one NaN whose bits are all one stands for what was not
        /// touched.</summary>
        public unsafe double[] Decode(byte[] bytes)
        {
            var result = new double[View.Count];
            fixed (byte* start = bytes)
                for (var i = 0; i < View.Rows; i++)
                    for (var j = 0; j < View.Columns; j++)
                        result[i * View.Columns + j] = IsUntouched(bytes, i, j) && View.Type != DType.Int32
                            ? CaseOutput.UntouchedValue
                            : Elements.Get(OnHost(start), i, j);
            return result;
        }

        public void CheckUntouched(byte[] bytes)
        {
            if (Role == Role.Input && !bytes.AsSpan().SequenceEqual(Image))
                throw new CaseFailedException($"{Name}: an input was changed");
            var mine = new bool[Whole.Count];
            for (var i = 0; i < View.Rows; i++) mine.AsSpan(Offset(i, 0), View.Columns).Fill(true);
            for (var e = 0; e < mine.Length; e++)
                if (!mine[e] && bytes.AsSpan(e * Size, Size).ContainsAnyExcept(Untouched))
                    throw new CaseFailedException($"{Name}: element {e - Guard} outside {View} was written");
        }

        private bool IsUntouched(byte[] bytes, int row, int column) =>
            !bytes.AsSpan(Offset(row, column) * Size, Size).ContainsAnyExcept(Untouched);

        private int Offset(int row, int column) =>
            (int)((View.Pointer - Whole.Pointer) / Size) + row * View.Stride + column;

        private unsafe Tensor OnHost(byte* start) =>
            View with { Pointer = (nint)start + (View.Pointer - Whole.Pointer) };
    }
}
