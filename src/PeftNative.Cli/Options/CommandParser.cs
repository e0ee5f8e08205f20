using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json.Nodes;

namespace PeftNative.Cli.Options;

/// <summary>
/// Reads the flags of a verb. Every flag is accepted with dashes for its underscores and under its aliases.
/// </summary>
internal static class CommandParser
{
    private static readonly ParserConfiguration Rules = new() { EnablePosixBundling = false,
        ResponseFileTokenReplacer = null };

    /// <summary>Reads flags, then the configuration file that --config names.</summary>
    /// <exception cref="UsageException">A flag or key is unknown, given twice or has an impossible value.</exception>
    public static SettingValues Parse(Verb verb, IReadOnlyList<string> args)
    {
        var command = new Command(verb.Name) { TreatUnmatchedTokensAsErrors = false };
        var options = verb.AllSettings.ToDictionary(s => s, NewOption);
        foreach (var option in options.Values) command.Add(option);
        Setting[] places = [.. new[] { verb.Argument, verb.SecondArgument }.OfType<Setting>()];
        Argument<string>[] arguments = [
            .. places.Select(p => new Argument<string>(p.Key) { Arity = ArgumentArity.ZeroOrOne })];
        foreach (var argument in arguments) command.Add(argument);

        var result = CommandLineParser.Parse(command, args, Rules);
        CheckUnmatched(verb, result.UnmatchedTokens);
        var values = new SettingValues(options.Keys.Concat(places));
        foreach (var (setting, option) in options) AddFlag(values, setting, result.GetResult(option));
        foreach (var (setting, argument) in places.Zip(arguments))
            if (result.GetResult(argument)?.Tokens is [var token, ..])
                values.Add(setting, SettingValue.FromText(setting, token.Value, setting.Key), setting.Key);
        if (values.OptionalText(Shared.Config) is { } path && verb.ReadsConfig) ConfigFile.AddTo(values, path, verb);
        return values;
    }

    private static Option NewOption(Setting setting)
    {
        var names = setting.Names.SelectMany(Spellings).Distinct().ToList();
        if (setting.Key == Shared.Help.Key) names.AddRange(["-h", "-?"]);
        Option option = setting.Kind == SettingKind.Switch
            ? new Option<bool>(names[0], [.. names.Skip(1)]) { Arity = ArgumentArity.ZeroOrOne }
            : new Option<string[]>(names[0], [.. names.Skip(1)]) { Arity = ArgumentArity.ZeroOrMore };
        option.AllowMultipleArgumentsPerToken = false;
        return option;
    }

    private static IEnumerable<string> Spellings(string name) => ["--" + name, "--" + name.Replace('_', '-')];

    private static void AddFlag(SettingValues values, Setting setting, OptionResult? result)
    {
        if (result is null || result.Implicit) return;
        var name = result.IdentifierToken?.Value ?? "--" + setting.Key;
        var texts = result.Tokens.Select(t => t.Value).ToList();
        if (setting.Kind == SettingKind.Switch && texts.Count == 0) texts = ["true"];
        if (texts.Count == 0 || texts.Count < result.IdentifierTokenCount && setting.Kind != SettingKind.Switch)
            throw new UsageException($"{name} has no value.", name, $"Write {setting.Usage}.");
        if (result.IdentifierTokenCount > 1 && !setting.IsRepeatable)
            throw new UsageException($"{name} is given {result.IdentifierTokenCount} times.", name, "Give it once.");
        var items = texts.Select(t => SettingValue.FromText(setting, t, name)).ToArray();
        values.Add(setting, items.Length > 1 ? new JsonArray(items) : items[0], name);
    }

    private static void CheckUnmatched(Verb verb, IReadOnlyList<string> unmatched)
    {
        if (unmatched.Count == 0) return;
        var token = unmatched[0];
        if (!token.StartsWith('-') || token.Length == 1)
            throw new UsageException($"'{token}' stands where nothing is expected.", $"peftnative {verb.Name}",
                verb.Argument is null ? "Values belong behind a flag; put texts with spaces into quotes."
                    : $"Give one {verb.Argument.ValueName} only.");
        throw Unknown(verb, token.TrimStart('-').Split('=')[0], token.Split('=')[0], "flag");
    }

    /// <summary>The error for a name that is no setting of the verb.</summary>
    public static UsageException Unknown(Verb verb, string name, string where, string kind)
    {
        var known = verb.AllSettings.SelectMany(s => s.Names).ToList();
        var near = Spelling.Nearest(name.Replace('-', '_'), known);
        return new UsageException($"'{name}' is no {kind} of peftnative {verb.Name}.", where, near is not null
            ? $"Did you mean {(kind == "flag" ? "--" : "")}{near}?" : $"See peftnative {verb.Name} --help.");
    }
}
