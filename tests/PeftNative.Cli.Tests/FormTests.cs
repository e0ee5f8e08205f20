using System.Text.Json.Nodes;
using PeftNative.Tests;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>Data files in the forms people have them: their shape is found, or one error says what to do.</summary>
public class FormTests
{
    public static TheoryData<string> Names => SharedFolder.Find("forms/expected.json") is { } path
        ? [.. ((JsonArray)JsonNode.Parse(File.ReadAllText(path))!).Select(e => (string)e!["file"]!)] : ["absent"];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_file_has_the_shape_that_a_person_sees_in_it(string name)
    {
        var forms = SharedFolder.PathOrSkip("forms");
        var expected = ((JsonArray)JsonNode.Parse(File.ReadAllText(Path.Combine(forms, "expected.json")))!)
            .Single(e => (string?)e!["file"] == name)!;
        var outcome = Command.Run("data", "--json", "--model", Base(forms, (string)expected["base"]!),
            "--data", Path.Combine(forms, name));
        if ((string?)expected["must"] == "refused")
        {
            Assert.True(outcome.Code is 2 or 3, $"exit code {outcome.Code}");
            Assert.Contains("to do:", outcome.Error, StringComparison.Ordinal);
            return;
        }
        Assert.True(outcome.Code == 0, outcome.Error);
        Assert.Equal((string?)expected["must"], (string?)outcome.Lines[0]["shape"]);
    }

    [Theory]
    [InlineData("37_python_dicts.json", "chat", "Python literal")]
    [InlineData("40_nan.jsonl", "cls", "NaN")]
    [InlineData("69_fake.parquet", "chat", "not in Parquet format")]
    [InlineData("71_fake.arrow", "chat", "not in Arrow format")]
    [InlineData("72_lfs.jsonl", "chat", "git-lfs pointer")]
    [InlineData("73_xlsx.xlsx", "chat", "Excel")]
    [InlineData("74_mixed_shapes.jsonl", "chat", "the ones before it like instruction + output")]
    [InlineData("77_output_nonstring.jsonl", "chat", "'completion' must be a text")]
    [InlineData("87_dup_keys.jsonl", "chat", "appears twice")]
    [InlineData("88_concat_arrays.json", "chat", "something follows the end of the array")]
    [InlineData("90_image_messages.jsonl", "chat", "'images'")]
    public void An_error_names_what_is_wrong(string name, string kind, string words)
    {
        var forms = SharedFolder.PathOrSkip("forms");
        var error = Command.Run("data", "--model", Base(forms, kind), "--data", Path.Combine(forms, name)).Error;
        Assert.Contains(words, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("41_latin1.csv", "cls", "TextLabel", "--encoding", "latin1")]
    [InlineData("46_csv_noheader.csv", "cls", "TextLabel", "--columns", "text=1,label=2")]
    [InlineData("55_multilabel_columns.csv", "cls", "TextLabel", "--label_columns", "toxic,obscene")]
    [InlineData("64_translation_nested.jsonl", "seq2seq", "SourceTarget", "--columns",
        "source=translation.en,target=translation.de")]
    [InlineData("25_squad.jsonl", "chat", "PromptCompletion", "--columns",
        @"prompt=""{context}\n\n{question}"",completion=answers.text[0]")]
    [InlineData("25_squad.jsonl", "chat", "PromptCompletion", "--columns",
        "prompt={question}, says: {context},completion=answers.text[-1]")]
    [InlineData("28_dialogue_list.jsonl", "chat", "Messages", "--alternate_turns", "true")]
    public void A_setting_that_an_error_names_works(string name, string kind, string shape, string flag, string value)
    {
        var forms = SharedFolder.PathOrSkip("forms");
        string[] call = ["data", "--json", "--model", Base(forms, kind), "--data", Path.Combine(forms, name)];
        var refused = Command.Run(call);
        Assert.Contains(flag, refused.Error, StringComparison.Ordinal);
        Assert.Equal(shape, (string?)Command.Succeed([.. call, flag, value]).Lines[0]["shape"]);
    }

    [Fact]
    public void Delimiters_parts_and_fields_without_a_use_are_said()
    {
        var forms = SharedFolder.PathOrSkip("forms");
        Assert.Contains("semicolons", Data("44_csv_semicolon.csv", "cls").Error, StringComparison.Ordinal);
        Assert.Equal(2, Data("34_object_two_arrays.json", "chat").Lines.Count);
        Assert.Contains("parent_id", Data("29_oasst_flat.jsonl", "chat").Error, StringComparison.Ordinal);
        var missing = Data("75_some_missing.jsonl", "chat");
        Assert.Contains("75_some_missing.jsonl:2", missing.Error, StringComparison.Ordinal);
        Assert.Equal(2, (int)missing.Lines[0]["records"]!);

        Outcome Data(string name, string kind) => Command.Succeed(
            "data", "--json", "--model", Base(forms, kind), "--data", Path.Combine(forms, name));
    }

    private static string Base(string forms, string kind) => Path.Combine(forms, "bases", kind == "tok" ? "cls" : kind);
}
