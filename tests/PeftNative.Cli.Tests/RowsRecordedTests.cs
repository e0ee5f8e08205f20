using System.Text.Json.Nodes;
using PeftNative.Cli.Verify;
using PeftNative.Tests;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>Recorded rows with what TRL's trainers make of them.</summary>
public class RowsRecordedTests
{
    private static JsonObject[] Cases(string folder) =>
        [.. JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "sft.json")))!.AsArray().OfType<JsonObject>()];

    [Fact]
    public void Rows_for_supervised_tuning_become_what_was_recorded()
    {
        var folder = SharedFolder.PathOrSkip("recorded/preference");
        var checkedCases = 0;
        foreach (var recorded in Cases(folder).Where(c => RowsVerifier.WhyNot(c) is null))
        {
            var result = RowsVerifier.Verify(folder, recorded);
            Assert.True(result.Passed, $"{recorded["name"]}: {result.FirstFailure}");
            checkedCases++;
        }
        Assert.Equal(67, checkedCases);
    }

    [Theory]
    [InlineData("text-gpt2", "input_ids", "ids of row 1")]
    [InlineData("pc-gpt2", "labels", "labels of row 1")]
    [InlineData("packing-bfd", "seq_lengths", "lengths in row 1")]
    public void A_recording_that_says_otherwise_is_a_failure(string name, string key, string expected)
    {
        var folder = SharedFolder.PathOrSkip("recorded/preference");
        var recorded = Cases(folder).First(c => (string?)c["name"] == name);
        recorded["prepared"]![0]![key]![0] = 4711;
        Assert.Contains(expected, RowsVerifier.Verify(folder, recorded).FirstFailure, StringComparison.Ordinal);
        recorded["error"] = "ValueError";
        Assert.Contains("ValueError", RowsVerifier.Verify(folder, recorded).FirstFailure, StringComparison.Ordinal);
        recorded["options"] = new JsonObject { ["novel"] = 1 };
        Assert.Contains("novel", RowsVerifier.WhyNot(recorded), StringComparison.Ordinal);
    }
}
