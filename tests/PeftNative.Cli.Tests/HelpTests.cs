using PeftNative.Cli.Options;
using Xunit;

namespace PeftNative.Cli.Tests;

public class HelpTests
{
    private const int Screen = 46, Width = 120;

    public static TheoryData<string> VerbNames => [.. Cli.Verbs.Select(v => v.Name)];

    [Fact]
    public void The_bare_command_shows_every_verb_and_the_two_flag_start()
    {
        var shown = Command.Succeed().Out;
        Assert.Contains("peftnative train --model ./my-model --data my-data.jsonl", shown, StringComparison.Ordinal);
        Assert.All(Cli.Verbs, v => Assert.Contains($"  {v.Name,-9} {v.Summary}", shown, StringComparison.Ordinal));
        Assert.Equal(shown, Command.Succeed("--help").Out);
    }

    [Theory]
    [MemberData(nameof(VerbNames))]
    public void Help_fits_one_screen_and_has_an_example(string verb)
    {
        var lines = Command.Succeed(verb, "--help").Out.TrimEnd('\n').Split('\n');
        Assert.InRange(lines.Length, 5, Screen);
        Assert.All(lines, l => Assert.InRange(l.Length, 0, Width));
        Assert.Contains(lines, l => l.StartsWith($"  peftnative {verb}", StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(VerbNames))]
    public void The_example_is_a_call_that_is_understood(string verb)
    {
        var words = Find(verb).Example.Replace("\\\n", " ", StringComparison.Ordinal)
            .Replace("'", "", StringComparison.Ordinal)
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["peftnative", verb], words[..2]);
        // Quoted texts fall apart here; every flag must be known all the same.
        foreach (var word in words.Where(w => w.StartsWith("--", StringComparison.Ordinal)))
            Assert.Contains(Find(verb).AllSettings, s => "--" + s.Key == word);
    }

    [Theory]
    [MemberData(nameof(VerbNames))]
    public void Verbose_help_explains_every_setting_and_names_its_aliases(string verb)
    {
        var shown = Command.Succeed(verb, "--help", "--verbose").Out;
        foreach (var setting in Find(verb).AllSettings)
        {
            Assert.Contains($"--{setting.Key}", shown, StringComparison.Ordinal);
            Assert.All(setting.Aliases, a => Assert.Contains($"--{a}", shown, StringComparison.Ordinal));
        }
    }

    [Theory]
    [MemberData(nameof(VerbNames))]
    public void No_two_settings_of_a_verb_share_a_name_and_every_default_is_valid(string verb)
    {
        var names = Find(verb).AllSettings.SelectMany(s => s.Names).ToList();
        Assert.Equal(names.Count, names.Distinct().Count());
        Assert.All(Find(verb).AllSettings, s => Assert.Equal(s.Default is null, s.DefaultValue is null));
    }

    [Fact]
    public void Version_is_told() =>
        Assert.StartsWith("peftnative ", Command.Succeed("--version").Out, StringComparison.Ordinal);

    private static Verb Find(string name) => Cli.Verbs.First(v => v.Name == name);
}
