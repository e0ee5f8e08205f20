using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>What a run leaves: best/ that can be moved away, a model card, event files of TensorBoard.</summary>
public sealed class RunFilesTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("none")]
    [InlineData("nf4")]
    public void The_best_adapter_can_be_moved_away_and_says_what_the_last_says(string quantization)
    {
        var (model, data, output) = (TinyModels.Bert(folder), TinyModels.Labelled(folder), folder["out"]);
        Train(model, data, output, "--eval_data", data, "--quantization", quantization, "--epochs", "2");
        Directory.Move(Path.Combine(output, "best"), folder["moved-best"]);
        Assert.Equal(Predict(model, output, data), Predict(model, folder["moved-best"], data));
        Assert.Contains("\"yes\"", Predict(model, folder["moved-best"], data), StringComparison.Ordinal);
    }

    [Fact]
    public void A_quantised_base_is_taken_as_it_was_in_training_and_said_to_be()
    {
        var (model, data, output) = (TinyModels.Bert(folder), TinyModels.Labelled(folder), folder["out"]);
        Train(model, data, output, "--quantization", "nf4", "--epochs", "2");
        string[] call = ["predict", "--model", model, "--adapter", output, "--data", data, "--backend", "reference"];
        var (plain, asked, whole) = (Command.Succeed(call), Command.Succeed([.. call, "--quantization", "nf4"]),
            Command.Succeed([.. call, "--quantization", "none"]));
        Assert.Contains("the base is quantised (nf4)", plain.Error, StringComparison.Ordinal);
        Assert.Equal(asked.Out, plain.Out);
        Assert.NotEqual(whole.Out, plain.Out);
    }

    [Fact]
    public void A_model_card_says_what_the_adapter_is_and_leaks_no_folder()
    {
        var (model, data, output) = (TinyModels.Bert(folder), TinyModels.Labelled(folder), folder["out"]);
        Train(model, data, output, "--eval_data", data, "--epochs", "2", "--seed", "7", "--modules_to_save", "poler");
        var card = File.ReadAllText(Path.Combine(output, "README.md"));
        var front = card.Split("---\n")[1].Split('\n');
        Assert.Contains("base_model: bert", front);
        Assert.Contains("library_name: peft", front);
        Assert.Contains("pipeline_tag: text-classification", front);
        Assert.Contains("- lora", front);
        Assert.Contains("- accuracy", front);
        Assert.Contains("- \"base_model:adapter:bert\"", front);
        foreach (var part in new[] { "labelled.jsonl, 24 records", "| seed | 7 |", "| labels | no, yes |", "poler",
            "peftnative train --model bert --data labelled.jsonl --eval_data labelled.jsonl --output out" })
            Assert.Contains(part, card, StringComparison.Ordinal);
        Assert.DoesNotContain(folder.Root, card, StringComparison.Ordinal);
        Assert.Contains("- accuracy", File.ReadAllText(Path.Combine(output, "best", "README.md")),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_readme_of_somebody_else_stays()
    {
        var (model, data, output) = (TinyModels.Bert(folder), TinyModels.Labelled(folder), folder["out"]);
        folder.Write("out/README.md", "mine");
        Assert.Contains("stays as it is", Train(model, data, output, "--epochs", "1").Error, StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(Path.Combine(output, "README.md")));
        File.Delete(Path.Combine(output, "README.md"));
        Train(model, data, output, "--epochs", "1", "--resume", "never");
        Train(model, data, output, "--epochs", "2", "--resume", "never");
        Assert.Contains("| steps | 6 of 8 examples |", File.ReadAllText(Path.Combine(output, "README.md")),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Event_files_hold_the_numbers_of_the_log()
    {
        var (model, data, output) = (TinyModels.Bert(folder), TinyModels.Labelled(folder), folder["out"]);
        Train(model, data, output, "--eval_data", data, "--epochs", "2", "--report_to", "tensorboard");
        var file = Assert.Single(Directory.GetFiles(Path.Combine(output, "runs")));
        Assert.Contains("tfevents", Path.GetFileName(file), StringComparison.Ordinal);
        var scalars = Scalars(Records(File.ReadAllBytes(file))).ToList();
        foreach (var line in File.ReadAllLines(Path.Combine(output, "log.jsonl")).Select(l => JsonNode.Parse(l)!))
        {
            var step = (long)line["step"]!;
            if ((string?)line["event"] == "step") Assert.Contains(("train/loss", step, (float)(double)line["loss"]!),
                scalars);
            if ((string?)line["event"] == "eval") Assert.Contains(
                ("eval/accuracy", step, (float)(double)line["eval_accuracy"]!), scalars);
        }
        Assert.Equal(6, scalars.Count(s => s.Tag == "train/learning_rate"));
        Assert.Contains("cannot report to 'wandb'", Command.Fail(2, "train", "--model", model, "--data", data,
            "--output", folder["o"], "--report_to", "wandb", "--backend", "reference"), StringComparison.Ordinal);
    }

    // TFRecord: length, masked CRC-32C of it, bytes, masked CRC-32C of them.
    private static IEnumerable<byte[]> Records(byte[] file)
    {
        for (var at = 0; at < file.Length;)
        {
            var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(at));
            Assert.Equal(Masked(file.AsSpan(at, 8)), BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 8)));
            var record = file[(at + 12)..(at + 12 + length)];
            Assert.Equal(Masked(record), BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 12 + length)));
            at += length + 16;
            yield return record;
        }
    }

    private static IEnumerable<(string Tag, long Step, float Value)> Scalars(IEnumerable<byte[]> records)
    {
        var isFirst = true;
        foreach (var e in records.Select(Fields))
        {
            Assert.True(BitConverter.ToDouble(e.Single(f => f.Number == 1).Bytes) > 1e9); // wall time
            if (isFirst) Assert.Equal("brain.Event:2", Encoding.UTF8.GetString(e.Single(f => f.Number == 3).Bytes));
            isFirst = false;
            foreach (var summary in e.Where(f => f.Number == 5))
                foreach (var value in Fields(summary.Bytes).Where(f => f.Number == 1).Select(f => Fields(f.Bytes)))
                    yield return (Encoding.UTF8.GetString(value.Single(f => f.Number == 1).Bytes),
                        BitConverter.ToInt64(e.Single(f => f.Number == 2).Bytes),
                        BitConverter.ToSingle(value.Single(f => f.Number == 2).Bytes));
        }
    }

    // Protocol Buffers' wire format: varint, 8 bytes, delimited, 4 bytes.
    private static List<(int Number, byte[] Bytes)> Fields(byte[] message)
    {
        var fields = new List<(int, byte[])>();
        for (var at = 0; at < message.Length;)
        {
            var key = Varint(message, ref at);
            var type = (int)(key & 7);
            Assert.Contains(type, (int[])[0, 1, 2, 5]);
            byte[] bytes;
            if (type == 0) bytes = BitConverter.GetBytes(Varint(message, ref at));
            else
            {
                var length = type == 1 ? 8 : type == 5 ? 4 : (int)Varint(message, ref at);
                bytes = message[at..(at + length)];
                at += length;
            }
            fields.Add(((int)(key >> 3), bytes));
        }
        return fields;
    }

    private static ulong Varint(byte[] bytes, ref int at)
    {
        var value = 0UL;
        for (var shift = 0; ; shift += 7)
        {
            value |= (ulong)(bytes[at] & 0x7f) << shift;
            if (bytes[at++] < 0x80) return value;
        }
    }

    // Bit by bit, from the polynomial of Castagnoli, reversed.
    private static uint Masked(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var b in bytes)
        {
            crc ^= b;
            for (var bit = 0; bit < 8; bit++) crc = (crc & 1) == 0 ? crc >> 1 : crc >> 1 ^ 0x82f63b78;
        }
        crc = ~crc;
        return (crc >> 15 | crc << 17) + 0xa282ead8;
    }

    private static Outcome Train(string model, string data, string output, params string[] more) => Command.Succeed(
        ["train", "--model", model, "--data", data, "--output", output, "--lr", "2e-2", "--backend", "reference",
            .. more]);

    private static string Predict(string model, string adapter, string data) => Command.Succeed("predict", "--model",
        model, "--adapter", adapter, "--data", data, "--backend", "reference").Out;
}
