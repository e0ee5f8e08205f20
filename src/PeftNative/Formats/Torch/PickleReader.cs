using System.Buffers.Binary;
using System.Text;
using PeftNative.Formats.Text;

namespace PeftNative.Formats.Torch;

/// <summary>
/// Reads the instructions of a pickle that make up dictionaries of tensors, and no other: nothing is run, and whatever
/// else a pickle asks for is refused by name. What it allocates is bounded by its limits and the size of the pickle.
/// </summary>
internal ref struct PickleReader
{
    /// <summary>The most bytes of a pickle.</summary>
    internal const int MaxBytes = 64 << 20;

    private const int MaxText = 1 << 16, MaxMarks = 64, MaxStack = 1 << 20, MaxObjects = 4_000_000;

    private readonly ReadOnlySpan<byte> data;
    private readonly string file;
    private readonly long origin;
    private readonly List<object?> stack = [];
    private readonly List<int> marks = [];
    private readonly Dictionary<uint, object?> memo = [];
    private readonly TorchObjects objects;
    private int at, instruction, made;

    /// <summary>Begins to read.</summary>
    /// <param name="data">Bytes that begin with a pickle.</param>
    /// <param name="origin">Where they are in the file.</param>
    /// <param name="file">The file.</param>
    /// <param name="objects">Makes what the pickle calls for.</param>
    internal PickleReader(ReadOnlySpan<byte> data, long origin, string file, TorchObjects objects)
    {
        this.data = data;
        (this.origin, this.file, this.objects) = (origin, file, objects);
    }

    /// <summary>Bytes read so far.</summary>
    internal readonly int Position => at;

    /// <summary>Reads one pickle: null, bool, long, Int128, double, text, tuples as arrays, lists, dictionaries with
    /// texts as keys, storages and tensors.</summary>
    /// <exception cref="ModelFormatException">It is damaged, or asks for something else.</exception>
    internal object? Read()
    {
        while (true)
        {
            instruction = at;
            var code = (Opcode)Take(1)[0];
            if (code == Opcode.Stop) return marks.Count == 0 && stack.Count == 1 ? stack[0] : throw Broken();
            Run(code);
            if (stack.Count > MaxStack || made > MaxObjects || memo.Count > MaxObjects)
                throw Error("The pickle is larger than any model's.");
        }
    }

    private void Run(Opcode code)
    {
        switch (code)
        {
            case Opcode.Proto: Take(1); break;
            case Opcode.Frame: Take(8); break;
            case Opcode.None: stack.Add(null); break;
            case Opcode.True: stack.Add(true); break;
            case Opcode.False: stack.Add(false); break;
            case Opcode.Byte: stack.Add((long)Take(1)[0]); break;
            case Opcode.UShort: stack.Add((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2))); break;
            case Opcode.Int: stack.Add((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4))); break;
            case Opcode.Long1: AddWhole(Take(Take(1)[0])); break;
            case Opcode.Float: stack.Add(BinaryPrimitives.ReadDoubleBigEndian(Take(8))); break;
            case Opcode.ShortText or Opcode.ShortString: stack.Add(Text(Take(1)[0])); break;
            case Opcode.Text or Opcode.String: stack.Add(Text(U32())); break;
            case Opcode.Mark: Mark(); break;
            case Opcode.EmptyTuple: stack.Add(Array.Empty<object?>()); break;
            case Opcode.Tuple1: Tuple(1); break;
            case Opcode.Tuple2: Tuple(2); break;
            case Opcode.Tuple3: Tuple(3); break;
            case Opcode.Tuple: Tuple(stack.Count - Unmark()); break;
            default: RunObject(code); break;
        }
    }

    private void RunObject(Opcode code)
    {
        switch (code)
        {
            case Opcode.EmptyList: Made(new List<object?>()); break;
            case Opcode.EmptyDict: Made(new Dictionary<string, object?>()); break;
            case Opcode.Append: Append(1); break;
            case Opcode.Appends: Append(stack.Count - Unmark()); break;
            case Opcode.SetItem: SetItems(2); break;
            case Opcode.SetItems: SetItems(stack.Count - Unmark()); break;
            case Opcode.Put: memo[Take(1)[0]] = Top(); break;
            case Opcode.LongPut: memo[U32()] = Top(); break;
            case Opcode.Memoize: memo[(uint)memo.Count] = Top(); break;
            case Opcode.Get: stack.Add(Remembered(Take(1)[0])); break;
            case Opcode.LongGet: stack.Add(Remembered(U32())); break;
            case Opcode.Global: Name(Line(), Line()); break;
            case Opcode.StackGlobal: NameOnStack(); break;
            case Opcode.PersistentId: Storage(); break;
            case Opcode.Reduce: Call(); break;
            case Opcode.Build: Build(); break;
            default:
                throw Error($"The pickle has the instruction {Opcodes.Describe((byte)code)}, "
                    + "which tensors do not need.");
        }
    }

    private void Mark()
    {
        if (marks.Count == MaxMarks) throw Error("The pickle is nested too deeply.");
        marks.Add(stack.Count);
    }

    private readonly int Unmark()
    {
        if (marks.Count == 0) throw Broken();
        var mark = marks[^1];
        marks.RemoveAt(marks.Count - 1);
        return mark;
    }

    private void Tuple(int count) => Made(TakeItems(count));

    private readonly void Append(int count)
    {
        var items = TakeItems(count);
        if (Top() is not List<object?> list) throw Broken();
        list.AddRange(items);
    }

    private readonly void SetItems(int count)
    {
        var items = TakeItems(count);
        if (count % 2 != 0 || Top() is not Dictionary<string, object?> map) throw Broken();
        for (var i = 0; i < count; i += 2)
        {
            var key = items[i] as string ?? throw Error("The pickle has a dictionary whose keys are no texts.");
            map[key] = items[i + 1];
        }
    }

    private readonly void Name(string module, string name) => stack.Add(TorchObjects.Find(module, name)
        ?? throw Error($"The pickle names {Message.Clip($"{module}.{name}")}, which tensors do not need."));

    private readonly void NameOnStack()
    {
        if (TakeItems(2) is not [string module, string name]) throw Broken();
        Name(module, name);
    }

    private void Storage()
    {
        Made(objects.Storage(TakeItems(1)[0] as object?[] ?? [])
            ?? throw Error("The pickle describes a storage in a way that is not known."));
    }

    private void Call()
    {
        if (TakeItems(2) is not [PickleGlobal function, object?[] arguments]) throw Broken();
        Made(TorchObjects.Call(function, arguments)
            ?? throw Error("The pickle describes a tensor that is no view of its storage."));
    }

    // What a dictionary of tensors has beside them: versions of modules.
    private readonly void Build()
    {
        TakeItems(1);
        if (Top() is not Dictionary<string, object?>) throw Error("The pickle sets the state of an object.");
    }

    private void Made(object value)
    {
        made++;
        stack.Add(value);
    }

    // Items of what has been begun last; those before its mark belong to others.
    private readonly object?[] TakeItems(int count)
    {
        var first = stack.Count - count;
        if (count < 0 || first < (marks.Count > 0 ? marks[^1] : 0)) throw Broken();
        object?[] items = [.. stack.Slice(first, count)];
        stack.RemoveRange(first, count);
        return items;
    }

    private readonly object? Top() => stack.Count > (marks.Count > 0 ? marks[^1] : 0) ? stack[^1] : throw Broken();

    private readonly object? Remembered(uint key) => memo.TryGetValue(key, out var value) ? value : throw Broken();

    private readonly void AddWhole(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > 16) throw Error("The pickle has a number of more than 128 bits.");
        var value = bytes.Length > 0 && (bytes[^1] & 0x80) != 0 ? Int128.NegativeOne : Int128.Zero;
        for (var i = bytes.Length - 1; i >= 0; i--) value = value << 8 | bytes[i];
        if (value < long.MinValue || value > long.MaxValue) stack.Add(value);
        else stack.Add((long)value);
    }

    private string Text(uint length)
    {
        if (length > MaxText) throw Error($"The pickle has a text of {length} bytes; the limit is {MaxText}.");
        return Encoding.UTF8.GetString(Take((int)length));
    }

    private string Line()
    {
        var length = data[at..].IndexOf((byte)'\n');
        var text = Text((uint)(length < 0 ? throw Broken() : length));
        Take(1);
        return text;
    }

    private uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > data.Length - at) throw Error("The pickle ends in the middle.");
        at += count;
        return data.Slice(at - count, count);
    }

    private readonly ModelFormatException Broken() => Error("The pickle is damaged.");

    private readonly ModelFormatException Error(string what) => new(what, $"{file}, byte {origin + instruction}",
        "Only tensors are read from such a file, and nothing in it is run. If you trust it, load it with PyTorch and "
            + "save its tensors as safetensors.");
}
