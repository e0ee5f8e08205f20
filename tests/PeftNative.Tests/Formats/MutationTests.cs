using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using PeftNative.Formats;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using Xunit;

namespace PeftNative.Tests.Formats;

/// <summary>Whatever the bytes, a reader succeeds or raises a typed error, soon and with bounded memory.</summary>
public partial class MutationTests(ITestOutputHelper output)
{
    private const int Count = 100_000, Seed = 20260801;

    private static readonly (string Header, int Data)[] TinyFiles =
    [
        ("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8),
        ("""
            {"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},
             "b":{"dtype":"U8","shape":[],"data_offsets":[12,13]}}
            """ + "  ", 13),
        ("""
            {"w.0":{"dtype":"F4","shape":[4],"data_offsets":[0,2]},"é\n":{"dtype":"I64","shape":[0,9],
            "data_offsets":[2,2]},"z":{"dtype":"BOOL","shape":[1,1,3],"data_offsets":[2,5]}}
            """, 5),
    ];

    private static readonly string[] TinyJson =
    [
        """{"metadata": {"total_size": 8}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}""",
        """
        {
          "hidden_size": 32, "rope_theta": 10000.0, "tie": true, "arch": ["LlamaForCausalLM"], "layers": [1, 2, 3],
          "rope_scaling": {"factor": 8.0, "type": "yarn"}, "id2label": {"0": "no", "1": "yes \u00e9"}, "none": null
        }
        """,
        """
        {"r": 8, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj"], "rank_pattern": {}, "use_dora": false,
         "bias": "none"}
        """,
    ];

    private static byte[][] TinyBytes => [.. TinyFiles.Select(f => SafetensorsBytes.Frame(f.Header, f.Data))];

    [Fact]
    public void A_file_cut_at_any_byte_is_refused()
    {
        using var scratch = new ScratchFolder();
        foreach (var file in TinyBytes)
        {
            SafetensorsHeader.Parse(file, file.Length);
            for (var length = 0; length < file.Length; length++)
            {
                Assert.Throws<ModelFormatException>(() => SafetensorsHeader.Parse(file.AsSpan(0, length), length));
                var path = scratch.Write("cut.safetensors", file[..length]);
                Assert.Throws<ModelFormatException>(() => SafetensorsFile.Open(path));
            }
        }
    }

    [Fact]
    public void Json_cut_at_any_byte_is_refused()
    {
        foreach (var json in TinyJson.Select(Encoding.UTF8.GetBytes))
            for (var length = 0; length < json.Length; length++)
                Assert.Throws<ModelFormatException>(() => StrictJson.ParseObject(json.AsSpan(0, length)));
    }

    [Fact]
    public void Every_single_bit_flip_of_a_header_is_survived()
    {
        foreach (var file in TinyBytes)
            for (var bit = 0; bit < file.Length * 8; bit++)
            {
                var damaged = (byte[])file.Clone();
                damaged[bit / 8] ^= (byte)(1 << (bit % 8));
                Survives(damaged, ReadHeader);
            }
    }

    [Fact]
    public void Mutated_safetensors_files_give_success_or_a_typed_error()
    {
        // Whole files; headers framed again with their new length, so that changes get past the frame; and layouts
        // nearly right.
        var whole = new Mutator(Seed, TinyBytes);
        var headers = new Mutator(Seed + 1, [.. TinyFiles.Select(f => Encoding.UTF8.GetBytes(f.Header))]);
        var layouts = new Random(Seed + 2);
        Run(i => (i % 3) switch
        {
            0 => whole.Next(),
            1 => SafetensorsBytes.Frame(headers.Next(), new byte[TinyFiles[layouts.Next(3)].Data]),
            _ => NearlyRightLayout(layouts),
        }, ReadHeader, 25);
    }

    /// <summary>A file of up to five tensors in which, mostly, one range, size or name is wrong.</summary>
    private static byte[] NearlyRightLayout(Random random)
    {
        var (entries, position, wrong, kind) = (new List<string>(), 0L, random.Next(6), random.Next(8));
        for (var i = 0; i <= random.Next(5); i++)
        {
            var type = (StoredType)random.Next(22);
            long[] shape = [.. Enumerable.Range(0, random.Next(4)).Select(_ => (long)random.Next(5)), 4];
            type.TryByteLength(shape, out var bytes);
            var (begin, end, name) = (position, position + bytes, $"t{i}");
            position = end;
            if (i == wrong && kind == 0) (begin, end) = (begin + 1, end + 1);
            if (i == wrong && kind == 1) (begin, end) = (Math.Max(0, begin - 1), end - Math.Min(1, begin));
            if (i == wrong && kind == 2) end += random.Next(-2, 3);
            if (i == wrong && kind == 3) shape[^1] += 1L << random.Next(63);
            if (i == wrong && kind == 4) name = "t0";
            var dimensions = string.Join(',', shape);
            entries.Add(SafetensorsBytes.Entry(name, $"\"{type.Name()}\"", $"[{dimensions}]", $"[{begin},{end}]"));
        }
        var order = entries.OrderBy(_ => random.Next()).ToList();
        var data = new byte[position + (kind == 5 ? random.Next(3) : 0)];
        return SafetensorsBytes.Frame($"{{{string.Join(',', order)}}}", data);
    }

    [Fact]
    public void Mutated_json_gives_success_or_a_typed_error()
    {
        var mutator = new Mutator(Seed, [.. TinyJson.Select(Encoding.UTF8.GetBytes)]);
        Run(_ => mutator.Next(), ReadJson, 14);
    }

    /// <summary>Files that pack as many small things as they can: time and memory stay in proportion.</summary>
    [Theory]
    [InlineData("{\"a\":[", "[],", "[]]}")]
    [InlineData("{\"a\":[", "{},", "{}]}")]
    [InlineData("{\"a\":[", "{\"a\":1},", "{}]}")]
    [InlineData("{\"a\":[", "1,", "1]}")]
    [InlineData("{\"a\":[", "\"\\u0061\",", "1]}")]
    [InlineData("{", "\"#\":0,", "\"a\":0}")]
    [InlineData("{", "\"#\":\"x\",", "\"a\":\"b\"}")]
    [InlineData("{\"__metadata__\":{", "\"#\":\"\",", "\"a\":\"b\"}}")]
    [InlineData("{\"x\":{\"shape\":[0],\"x\":[", "[],", "[]],\"dtype\":\"U8\",\"data_offsets\":[0,0]}}")]
    [InlineData("{\"weight_map\":{", "\"#\":\"s.safetensors\",", "\"a\":\"s.safetensors\"}}")]
    public void Dense_files_cost_no_more_than_their_size_allows(string start, string item, string end)
    {
        var text = new StringBuilder(start);
        for (var i = 0; text.Length < 1_000_000; i++) text.Append(item.Replace("#", $"{i}"));
        var json = Encoding.UTF8.GetBytes(text.Append(end).ToString());
        Survives(json, bytes => StrictJson.ParseObject(bytes));
        Survives(json, bytes => ShardIndex.Parse(bytes));
        Survives(SafetensorsBytes.Frame(json, []), ReadHeader);
    }

    [Fact]
    public void Small_objects_after_a_large_one_take_linear_time()
    {
        var large = string.Concat(Enumerable.Range(0, 50_000).Select(i => $"\"{i}\":0,"));
        var small = string.Concat(Enumerable.Repeat("{\"a\":0},", 100_000));
        Survives(Encoding.UTF8.GetBytes($"{{\"a\":[{{{large}\"a\":0}},{small}0]}}"), b => StrictJson.ParseObject(b));
    }

    private void Run(Func<int, byte[]> next, Action<byte[]> read, int kindsOfErrors)
    {
        output.WriteLine($"seed {Seed}, {Count} inputs");
        var errors = new Dictionary<string, int>();
        var accepted = 0;
        for (var i = 0; i < Count; i++)
            if (Survives(next(i), read) is not { } error) accepted++;
            else errors[error] = errors.GetValueOrDefault(error) + 1;
        output.WriteLine($"{accepted} accepted, {errors.Values.Sum()} refused in {errors.Count} ways:");
        foreach (var (error, count) in errors.OrderByDescending(e => e.Value)) output.WriteLine($"{count,7} {error}");
        // Otherwise the mutations do not reach the rules, or are too tame to break them.
        Assert.True(accepted > Count / 100, $"{accepted} accepted");
        Assert.True(errors.Count >= kindsOfErrors, $"{errors.Count} kinds of errors");
    }

    /// <summary>Reads one input; returns the kind of typed error, or null for success.</summary>
    private static string? Survives(byte[] input, Action<byte[]> read)
    {
        var (memory, clock) = (GC.GetAllocatedBytesForCurrentThread(), Stopwatch.StartNew());
        string? error = null;
        try
        {
            read(input);
        }
        catch (ModelFormatException e)
        {
            error = Variable().Replace(e.What, "_");
        }
        catch (Exception e)
        {
            Assert.Fail($"{e.GetType().Name} for {Convert.ToBase64String(input)}: {e}");
        }
        var allocated = GC.GetAllocatedBytesForCurrentThread() - memory;
        var limit = (64 * 1024) + (64L * input.Length);
        Assert.True(allocated < limit, $"{allocated} bytes for {Convert.ToBase64String(input)}");
        Assert.True(clock.ElapsedMilliseconds < 2000, $"{clock.Elapsed} for {Convert.ToBase64String(input)}");
        return error;
    }

    /// <summary>The parts of a message that depend on the input.</summary>
    [GeneratedRegex(@"'[^']*'|\d+|\[[^\]]*\]|JSON: .*|found .*| of [A-Z][A-Z0-9_]+ ", RegexOptions.Singleline)]
    private static partial Regex Variable();

    private static void ReadHeader(byte[] file)
    {
        var header = SafetensorsHeader.Parse(file, file.Length);
        var position = header.DataStart;
        foreach (var tensor in header.Tensors)
        {
            Assert.Equal(position, header.DataStart + tensor.Begin);
            Assert.True(tensor.Type.TryByteLength(tensor.Shape.AsSpan(), out var bytes) && bytes == tensor.ByteLength);
            position += bytes;
        }
        Assert.Equal(file.Length, position);
    }

    private static void ReadJson(byte[] json)
    {
        var config = StrictJson.ParseObject(json);
        Visit(config, 0);
        if (config.Has("weight_map"))
            Assert.All(ShardIndex.Parse(json).WeightMap.Values, v => Assert.Equal(v, Path.GetFileName(v)));
        config.GetInt("hidden_size", 1);
        config.GetDouble("rope_theta", 1);
        config.GetBool("tie", true);
        config.GetOptionalStringList("arch");
        config.GetOptionalStringList("target_modules");
        config.GetOptionalObject("rope_scaling")?.GetDouble("factor");
        if (config.Has("layers")) config.GetIntList("layers");
    }

    private static void Visit(StrictObject config, int depth)
    {
        Assert.True(depth < StrictJson.MaxDepth);
        foreach (var key in config.Keys.Where(config.Has))
            switch (config.Element.GetProperty(key).ValueKind)
            {
                case JsonValueKind.Object: Visit(config.GetObject(key), depth + 1); break;
                case JsonValueKind.String: config.GetString(key); break;
            }
    }
}
