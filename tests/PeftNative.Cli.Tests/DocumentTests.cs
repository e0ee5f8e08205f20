using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>
/// Runs the commands of README, CONTRIBUTING and docs: every line that is set as code and begins with
/// <c>peftnative</c>, page by page, in order, in a folder that holds what the pages speak of. A line
/// <c>&lt;!-- not run: why --&gt;</c> before a block exempts it; a synopsis with brackets or capitals for values is no
/// command. Lines with ./build.sh must name a word it knows.
/// </summary>
public sealed partial class DocumentTests(DocumentTests.Material material) : IClassFixture<DocumentTests.Material>
{
    internal static readonly string Root = FindRoot();

    // Sizes that make a benchmark short; what a page says in their place is dropped.
    private static readonly string[] SmallBench =
        ["--hidden", "16", "--layers", "2", "--heads", "2", "--kv_heads", "2", "--ffn", "24", "--vocab", "64",
            "--batch", "2", "--seq", "8", "--steps", "1", "--warmup", "0",
         "--new_tokens", "2", "--m", "4", "--k", "4", "--n", "4", "--head_dim", "4"];

    public static TheoryData<string> Pages =>
        [.. Directory.GetFiles(Path.Combine(Root, "docs"), "*.md").Append(Path.Combine(Root, "README.md"))
            .Append(Path.Combine(Root, "CONTRIBUTING.md")).Where(p => Commands(p).Any())
            .Select(p => Path.GetRelativePath(Root, p))];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_command_of_a_page_succeeds(string page)
    {
        var folder = material.NewFolder();
        foreach (var command in Commands(Path.Combine(Root, page)))
        {
            if (command[0] == "./build.sh")
            {
                var word = command.ElementAtOrDefault(1) ?? "";
                Assert.True(word.Length == 0
                    || File.ReadAllText(Path.Combine(Root, "build.sh"))
                    .Contains($"\n    {word}) ", StringComparison.Ordinal), $"{page}: build.sh {word}");
                continue;
            }
            var shown = Material.Run(folder, Shortened(command[1..]), out var code);
            Assert.True(code == 0, $"{page}: {string.Join(' ', command)} ended with {code}\n{shown}");
        }
    }

    [Fact]
    public void The_pages_have_commands() => Assert.True(Pages.Count >= 3);

    // A benchmark with small sizes, the operation cases of one operation; everything else as it stands.
    private static string[] Shortened(string[] command) => command switch
    {
        ["bench", ..] when !command.Contains("--compare") => [.. WithoutSizes(command), .. SmallBench],
        ["verify", "ops", ..] when !command.Contains("--case")
            && !command.Contains("--filter") => [.. command.Where(w => w != "--all"), "--filter", "^Gather"],
        _ => command,
    };

    private static IEnumerable<string> WithoutSizes(string[] command)
    {
        for (var i = 0; i < command.Length; i++)
            if (SmallBench.Contains(command[i].Replace('-', '_').Replace("__", "--", StringComparison.Ordinal))) i++;
            else yield return command[i];
    }

    /// <summary>
    /// The commands of a page, each in words; a backslash at the end of a line goes on in the next one.
    /// </summary>
    private static IEnumerable<string[]> Commands(string path)
    {
        var exempt = false;
        foreach (var line in File.ReadAllText(path).ReplaceLineEndings("\n")
            .Replace("\\\n", " ", StringComparison.Ordinal).Split('\n'))
        {
            if (line.StartsWith("<!-- not run: ", StringComparison.Ordinal)) exempt = true;
            else if (line.Length > 0 && !line.StartsWith("    ", StringComparison.Ordinal)) exempt = false;
            var text = line.Trim();
            var isCommand = line.StartsWith("    ", StringComparison.Ordinal)
                && (text.StartsWith("peftnative ", StringComparison.Ordinal)
                    || text.StartsWith("./build.sh", StringComparison.Ordinal));
            if (!isCommand || exempt) continue;
            var words = Words(text);
            if (!words.Any(w => Placeholder().IsMatch(w))) yield return words;
        }
    }

    // As a shell would: quotes hold together, a number sign begins a remark.
    private static string[] Words(string line) =>
        [.. Word().Matches(line).Select(m => m.Value).TakeWhile(w => !w.StartsWith('#'))
        .Select(w => w.Replace("\"", "", StringComparison.Ordinal).Replace("'", "", StringComparison.Ordinal))];

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "PeftNative.sln")))
            folder = Path.GetDirectoryName(folder)
                ?? throw new InvalidOperationException("the tests do not run inside the sources");
        return folder;
    }

    [GeneratedRegex("""(?:[^\s"']|"[^"]*"|'[^']*')+""")]
    private static partial Regex Word();

    [GeneratedRegex(@"^\[|^[A-Z]+$|\.\.\.$")]
    private static partial Regex Placeholder();

    /// <summary>What the pages speak of: a model, data, an adapter.</summary>
    public sealed class Material : IDisposable
    {
        private readonly TemporaryFolder root = new();
        private readonly string template;
        private int folders;

        public Material()
        {
            template = root["template"];
            Directory.CreateDirectory(Path.Combine(template, "my-model"));
            foreach (var file in Directory.GetFiles(Path.Combine(Root, "src", "PeftNative.Cli", "Assets", "demo-base")))
                File.Copy(file, Path.Combine(template, "my-model", Path.GetFileName(file)));
            var records = Enumerable.Range(0, 16)
                .Select(i => new JsonObject { ["prompt"] = $"The code of box {i} is", ["completion"] = $" {i}." });
            File.WriteAllLines(Path.Combine(template, "my-data.jsonl"), records.Select(r => r.ToJsonString()));
            File.WriteAllText(Path.Combine(template, "new.jsonl"), "{\"prompt\": \"The code of box 3 is\"}\n");
            File.WriteAllText(Path.Combine(template, "mixed.jsonl"),
                "{\"prompt\": \"The code of box 3 is\", \"adapter\": \"one\"}\n{\"prompt\": \"And of 4\", \"adapter\": "
                    + "null}\n");
            foreach (var (adapter, seed) in new[] { ("my-lora", "1"), ("a", "2"), ("b", "3") })
            {
                var shown = Run(template, ["train", "--model", "my-model", "--data", "my-data.jsonl", "--output",
                    adapter, "--seed", seed, "--max_steps", "2", "--quiet"], out var code);
                Assert.True(code == 0, shown);
            }
        }

        /// <summary>A folder of a page's own with all of it.</summary>
        public string NewFolder()
        {
            var folder = root[$"page-{Interlocked.Increment(ref folders)}"];
            foreach (var file in Directory.GetFiles(template, "*", SearchOption.AllDirectories))
            {
                var target = Path.Combine(folder, Path.GetRelativePath(template, file));
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.Copy(file, target);
            }
            return folder;
        }

        /// <summary>Runs the command in a folder, with nothing piped in; returns all it wrote.</summary>
        public static string Run(string folder, string[] arguments, out int code)
        {
            var start = new ProcessStartInfo("dotnet",
                [Path.Combine(AppContext.BaseDirectory, "PeftNative.Cli.dll"), .. arguments])
            {
                WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true,
                RedirectStandardInput = true,
            };
            using var process = Process.Start(start)!;
            process.StandardInput.Close();
            var text = new StringBuilder();
            process.ErrorDataReceived += (_, e) => { lock (text) text.AppendLine(e.Data); };
            process.BeginErrorReadLine();
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            code = process.ExitCode;
            lock (text) return output + text;
        }

        public void Dispose() => root.Dispose();
    }
}
