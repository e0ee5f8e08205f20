using System.Text;
using PeftNative.Tests.Formats;

namespace PeftNative.Tests.Fuzzing;

/// <summary>
/// A tiny model as a GGUF file is written from: what it says and its tensors. Damage to it keeps the file's frame, so
/// that it reaches the rules behind; damage to the places of numbers in the written bytes breaks the frame.
/// </summary>
internal sealed class GgufRecipe
{
    private const int Alignment = 32, Hidden = 32, Inner = 256, Head = 16;

    // Number, elements and bytes of the types of matrices.
    private static readonly (int Type, int Elements, int Bytes)[] Blocks =
    [
        (1, 1, 2), (0, 1, 4), (30, 1, 2), (2, 32, 18), (3, 32, 20), (6, 32, 22), (7, 32, 24), (8, 32, 34),
        (20, 32, 18), (39, 32, 17),
    ];

    private static readonly string[] Texts =
    [
        "", "a", "llama", "gpt2", "gemma2", "gemma3", "qwen3", "phi3", "linear", "yarn", "none", "bert", "\u0120a",
        "<s>",
        "a b", " a", "{% for m in messages %}{{ m.content }}{% endfor %}", "{{ 1", new string('x', 5000), "\u2581a",
    ];

    private readonly List<(string Key, object Value)> values = [];
    private readonly List<GgufPart> tensors = [];
    private readonly List<(int At, int Width)> numbers = [];
    private readonly Random random;

    /// <summary>A sound model of one layer.</summary>
    internal GgufRecipe(string architecture, Random random)
    {
        this.random = random;
        var tokens = architecture is "llama" or "gemma2" or "gemma3" or "phi3" ? Pieces() : Characters();
        Say(architecture);
        if (architecture == "gpt2") AddGpt2(tokens);
        else AddLlamaLike(architecture, tokens);
    }

    /// <summary>The file, after so many changes.</summary>
    internal byte[] Damaged(int changes)
    {
        var inside = random.Next(changes + 1);
        for (var i = 0; i < inside; i++)
            if (random.Next(3) > 0) ChangeValue();
            else ChangeTensor();
        var bytes = Write();
        for (var i = inside; i < changes; i++)
        {
            var (at, width) = random.Pick(numbers);
            var old = width == 4 ? BitConverter.ToUInt32(bytes, at) : (long)BitConverter.ToUInt64(bytes, at);
            BitConverter.GetBytes(random.Number(old)).AsSpan(0, width).CopyTo(bytes.AsSpan(at));
        }
        return random.Next(4) == 0 ? random.Bytes(bytes, 1) : bytes;
    }

    private void Say(string architecture)
    {
        values.Add(("general.architecture", architecture));
        void Add(string key, object value) => values.Add(($"{architecture}.{key}", value));
        Add("context_length", 64u);
        Add("embedding_length", (uint)Hidden);
        Add("block_count", 1u);
        Add("feed_forward_length", (uint)Inner);
        Add("attention.head_count", 2u);
        Add("attention.head_count_kv", architecture == "gpt2" ? 2u : 1u);
        Add("attention.layer_norm_rms_epsilon", 1e-5f);
        Add("attention.layer_norm_epsilon", 1e-5f);
        Add("rope.freq_base", 10000f);
        Add("rope.dimension_count", (uint)Head);
        Add("attention.key_length", (uint)Head);
        Add("attention.sliding_window", 8u);
    }

    private int Pieces()
    {
        string[] tokens =
        [
            "<unk>", "<s>", "</s>", "<0x0A>", "<0x61>", "\u2581", "a", "b", "ab", "\u2581a", "\u2581ab", "<u>",
        ];
        Tokens("llama", tokens, [2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1, 4]);
        values.Add(("tokenizer.ggml.scores", Array.ConvertAll(tokens, t => -(float)t.Length)));
        values.Add(("tokenizer.ggml.add_space_prefix", true));
        return tokens.Length;
    }

    private int Characters()
    {
        string[] tokens = ["<unk>", "<s>", "</s>", "\u0120", "a", "b", "ab", "\u0120a", "\u0120ab", "<u>"];
        Tokens("gpt2", tokens, [3, 3, 3, 1, 1, 1, 1, 1, 1, 4]);
        values.Add(("tokenizer.ggml.pre", random.Pick(["gpt-2", "smollm", "llama-bpe", "qwen2"])));
        values.Add(("tokenizer.ggml.merges", new[] { "a b", "\u0120 a", "\u0120 ab" }));
        return tokens.Length;
    }

    private void Tokens(string model, string[] tokens, int[] types)
    {
        values.Add(("tokenizer.ggml.model", model));
        values.Add(("tokenizer.ggml.tokens", tokens));
        values.Add(("tokenizer.ggml.token_type", types));
        values.Add(("tokenizer.ggml.bos_token_id", 1u));
        values.Add(("tokenizer.ggml.eos_token_id", 2u));
        values.Add(("tokenizer.ggml.unknown_token_id", 0u));
        values.Add(("tokenizer.ggml.add_bos_token", random.Next(2) == 0));
        values.Add(("tokenizer.chat_template", "{% for m in messages %}{{ m['content'] }}{% endfor %}"));
    }

    private void AddGpt2(int tokens)
    {
        Matrix("token_embd.weight", tokens, Hidden);
        Matrix("position_embd.weight", 64, Hidden);
        Norm("output_norm", hasBias: true);
        Norm("blk.0.attn_norm", hasBias: true);
        Norm("blk.0.ffn_norm", hasBias: true);
        foreach (var (name, rows, columns) in ((string, int, int)[])[("attn_qkv", 3 * Hidden, Hidden),
            ("attn_output", Hidden, Hidden), ("ffn_up", Inner, Hidden), ("ffn_down", Hidden, Inner)])
        {
            Matrix($"blk.0.{name}.weight", rows, columns);
            Vector($"blk.0.{name}.bias", rows);
        }
    }

    private void AddLlamaLike(string architecture, int tokens)
    {
        var (isGemma, isFused) = (architecture is "gemma2" or "gemma3", architecture == "phi3");
        Matrix("token_embd.weight", tokens, Hidden);
        if (!isGemma) Matrix("output.weight", tokens, Hidden);
        if (architecture == "llama") Vector("rope_freqs.weight", Head / 2);
        Norm("output_norm");
        Norm("blk.0.attn_norm");
        Norm("blk.0.ffn_norm");
        if (isGemma) Norm("blk.0.post_attention_norm");
        if (isGemma) Norm("blk.0.post_ffw_norm");
        (string, int, int)[] inner = isFused
            ? [("attn_qkv", 2 * Hidden, Hidden), ("ffn_up", 2 * Inner, Hidden)]
            : [("attn_q", Hidden, Hidden), ("attn_k", Head, Hidden), ("attn_v", Head, Hidden),
                ("ffn_gate", Inner, Hidden), ("ffn_up", Inner, Hidden)];
        foreach (var (name, rows, columns) in inner) Matrix($"blk.0.{name}.weight", rows, columns);
        Matrix("blk.0.attn_output.weight", Hidden, Hidden);
        Matrix("blk.0.ffn_down.weight", Hidden, Inner);
        if (architecture == "qwen2")
            foreach (var (name, rows, _) in inner[..3]) Vector($"blk.0.{name}.bias", rows);
        if (architecture is not ("qwen3" or "gemma3")) return;
        Vector("blk.0.attn_q_norm.weight", Head);
        Vector("blk.0.attn_k_norm.weight", Head);
    }

    private void Norm(string name, bool hasBias = false)
    {
        Vector($"{name}.weight", Hidden);
        if (hasBias) Vector($"{name}.bias", Hidden);
    }

    private void Vector(string name, int count)
    {
        var bytes = new byte[4 * count];
        for (var i = 0; i < count; i++) BitConverter.TryWriteBytes(bytes.AsSpan(4 * i), 1f);
        tensors.Add(new GgufPart(name, [count], 0, bytes));
    }

    private void Matrix(string name, int rows, int columns)
    {
        var (type, elements, width) = name.Contains("ffn_down", StringComparison.Ordinal) && random.Next(2) == 0
            ? (12, 256, 144) : random.Pick(Blocks);
        tensors.Add(new GgufPart(name, [rows, columns], type, new byte[rows * columns / elements * width]));
    }

    private void ChangeValue()
    {
        var at = random.Next(values.Count);
        var (key, value) = values[at];
        switch (random.Next(12))
        {
            case 0: values.RemoveAt(at); break;
            case 1: values.Add((key, value)); break;
            case 2: values[at] = (key, Nested(random.Next(8))); break;
            case 3: values[at] = (random.Pick(Texts), value); break;
            case 4: values[at] = (key, random.Pick(Texts)); break;
            case 5: values[at] = (key, random.Next(4) switch
            {
                0 => (object)random.Number(1), 1 => (float)random.NextDouble(), 2 => float.NaN, _ => true,
            }); break;
            default: values[at] = (key, Other(value)); break;
        }
    }

    // Another value of the same kind.
    private object Other(object value) => value switch
    {
        uint number => unchecked((uint)random.Number(number)),
        float number => random.Pick([0f, -1f, number * 2, float.NaN, float.PositiveInfinity, 1e-38f, 3e38f]),
        bool flag => !flag,
        string => random.Pick(Texts),
        string[] { Length: > 0 } list => Changed(list, random.Pick(Texts)),
        int[] { Length: > 0 } list => Changed(list, (int)random.Number(1)),
        float[] { Length: > 0 } list => Changed(list, random.Pick([float.NaN, 0f, 1e30f, -1e30f])),
        _ => value,
    };

    private T[] Changed<T>(T[] list, T value)
    {
        if (random.Next(4) == 0) return list[..random.Next(list.Length)];
        if (random.Next(4) == 0) return [.. list, .. list];
        T[] other = [.. list];
        other[random.Next(other.Length)] = value;
        return other;
    }

    private static object[] Nested(int depth) => depth == 0 ? [] : [Nested(depth - 1)];

    private void ChangeTensor()
    {
        var at = random.Next(tensors.Count);
        var tensor = tensors[at];
        switch (random.Next(8))
        {
            case 0: tensors.RemoveAt(at); break;
            case 1: tensors.Insert(random.Next(tensors.Count), tensor); break;
            case 2: tensors[at] = tensor with { Name = random.Pick(tensors).Name }; break;
            case 3: tensors[at] = tensor with { Name = tensor.Name.Replace("blk.0", "blk.1") }; break;
            case 4: tensors[at] = tensor with { Shape = [.. tensor.Shape.Reverse()] }; break;
            case 5: tensors[at] = tensor with { Shape = [.. tensor.Shape, 1] }; break;
            case 6: tensors[at] = new GgufPart(tensor.Name, [tensor.Bytes.Length / 4], 0, tensor.Bytes); break;
            default: tensors[at] = tensor with { Bytes = random.Bytes(tensor.Bytes, 4) }; break;
        }
        if (tensors.Count == 0) tensors.Add(tensor);
    }

    private byte[] Write()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write("GGUF"u8);
        writer.Write(3);
        Long(writer, tensors.Count);
        Long(writer, values.Count);
        foreach (var (key, value) in values)
        {
            Text(writer, key);
            Kind(writer, value);
            Content(writer, value);
        }
        var offset = 0L;
        foreach (var tensor in tensors)
        {
            Text(writer, tensor.Name);
            Whole(writer, tensor.Shape.Length);
            foreach (var size in tensor.Shape.Reverse()) Long(writer, size);
            Whole(writer, tensor.Type);
            Long(writer, offset);
            offset += (tensor.Bytes.Length + Alignment - 1) / Alignment * Alignment;
        }
        Pad(writer);
        foreach (var tensor in tensors)
        {
            writer.Write(tensor.Bytes);
            Pad(writer);
        }
        return stream.ToArray();
    }

    private void Kind(BinaryWriter writer, object value) => Whole(writer, value switch
    {
        uint => 4, float => 6, bool => 7, string => 8, long => 11, _ => 9,
    });

    private void Content(BinaryWriter writer, object value)
    {
        switch (value)
        {
            case uint number: Whole(writer, unchecked((int)number)); break;
            case int number: writer.Write(number); break;
            case float number: writer.Write(number); break;
            case bool flag: writer.Write(flag); break;
            case long number: writer.Write(number); break;
            case string text: Text(writer, text); break;
            case Array list:
                Whole(writer, list switch { string[] => 8, int[] => 5, float[] => 6, _ => 9 });
                Long(writer, list.Length);
                foreach (var item in list) Content(writer, item);
                break;
        }
    }

    private void Text(BinaryWriter writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Long(writer, bytes.Length);
        writer.Write(bytes);
    }

    private void Whole(BinaryWriter writer, int value)
    {
        numbers.Add(((int)writer.BaseStream.Position, 4));
        writer.Write(value);
    }

    private void Long(BinaryWriter writer, long value)
    {
        numbers.Add(((int)writer.BaseStream.Position, 8));
        writer.Write(value);
    }

    private static void Pad(BinaryWriter writer) =>
        writer.Write(new byte[(Alignment - writer.BaseStream.Position % Alignment) % Alignment]);
}
