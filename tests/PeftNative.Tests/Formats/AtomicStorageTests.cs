using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Storage;
using PeftNative.Formats.Text;
using Xunit;

namespace PeftNative.Tests.Formats;

public class AtomicStorageTests
{
    private static readonly string Root = Path.GetFullPath(Path.Combine(Path.GetTempPath(), "simulated"));
    private static readonly string Target = Path.Combine(Root, "adapter");

    private static void WriteFolder(IFileSystem files, string text, bool manifest = false) =>
        AtomicFolder.Write(Target, folder =>
    {
        folder.WriteText("config.json", text);
        folder.WriteText("best/weights", text + text);
        folder.WriteText("best/config.json", text);
    }, _ => true, manifest, files: files);

    private static string Whole(string text) => $"best/(config.json={text} weights={text}{text}) config.json={text}";

    private static SimulatedDisk Disk(bool canExchange, string? old)
    {
        var disk = new SimulatedDisk(canExchange);
        disk.CreateFolder(Root);
        for (var folder = Root; folder is not null; folder = Path.GetDirectoryName(folder)) disk.FlushFolder(folder);
        if (old is not null) WriteFolder(disk, old);
        disk.Restart(SimulatedDisk.Survives.Everything);
        return disk;
    }

    private static int OperationsOf(bool canExchange, string? old)
    {
        var disk = Disk(canExchange, old);
        WriteFolder(disk, "new");
        Assert.Equal(Whole("new"), disk.Dump(Target));
        Assert.Equal(["adapter"], disk.EntryNames(Root));
        return disk.Operations;
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public void A_folder_is_whole_whenever_the_power_goes(bool canExchange, bool replaces)
    {
        var old = replaces ? "old" : null;
        var operations = OperationsOf(canExchange, old);
        Assert.True(operations > 15, $"{operations} crash points");
        foreach (var survives in Enum.GetValues<SimulatedDisk.Survives>())
            for (var at = 1; at <= operations; at++)
            {
                var disk = Disk(canExchange, old);
                disk.FailAt = at;
                Assert.Throws<SimulatedDisk.PowerLost>(() => WriteFolder(disk, "new"));
                disk.Restart(survives);

                AtomicFolder.Recover(Target, disk); // as a reader does
                var found = disk.Dump(Target);
                var expected = found == Whole("new") || found == (replaces ? Whole("old") : null);
                Assert.True(expected, $"{at} {survives}: {found}");

                WriteFolder(disk, "again");
                Assert.Equal(Whole("again"), disk.Dump(Target));
                Assert.Equal(["adapter"], disk.EntryNames(Root));
            }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_folder_is_whole_when_renames_reach_the_disk_in_any_order(bool canExchange)
    {
        var checkedStates = 0;
        for (var at = 1; at <= OperationsOf(canExchange, "old"); at++)
            for (var (mask, more) = (0, true); more; mask++)
            {
                var disk = Disk(canExchange, "old");
                disk.FailAt = at;
                Assert.Throws<SimulatedDisk.PowerLost>(() => WriteFolder(disk, "new"));
                more = mask + 1 < 1 << disk.PendingIn(Root);
                disk.Restart(SimulatedDisk.Survives.NamesOnly, Root, mask);
                AtomicFolder.Recover(Target, disk);
                var found = disk.Dump(Target);
                Assert.True(found == Whole("new") || found == Whole("old"), $"{at}, mask {mask}: {found}");
                checkedStates++;
            }
        Assert.True(checkedStates > 40, $"{checkedStates} states");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_folder_survives_two_crashes_in_a_row(bool canExchange)
    {
        foreach (var survives in Enum.GetValues<SimulatedDisk.Survives>())
        for (var first = 1; first <= OperationsOf(canExchange, "old"); first++)
            for (var second = 1; second < 40; second++)
            {
                var disk = Disk(canExchange, "old");
                Crash(disk, first, "new", survives);
                Crash(disk, second, "newer", survives);
                AtomicFolder.Recover(Target, disk);
                var found = disk.Dump(Target);
                string[] expected = [Whole("old"), Whole("new"), Whole("newer")];
                Assert.True(expected.Contains(found), $"{first} {second}: {found}");
            }

        static void Crash(SimulatedDisk disk, int at, string text, SimulatedDisk.Survives survives)
        {
            disk.FailAt = at;
            try
            {
                WriteFolder(disk, text);
            }
            catch (SimulatedDisk.PowerLost)
            {
            }
            disk.Restart(survives);
        }
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public void A_refused_operation_is_a_typed_error_and_leaves_no_trace(bool canExchange, bool replaces)
    {
        var old = replaces ? "old" : null;
        for (var at = 1; at <= OperationsOf(canExchange, old); at++)
        {
            var disk = Disk(canExchange, old);
            (disk.FailAt, disk.Failure) = (at, () => new IOException("No space left on device", 28));
            StorageException? error = null;
            try
            {
                WriteFolder(disk, "new");
            }
            catch (StorageException e)
            {
                error = e;
            }
            var found = disk.Dump(Target);
            var unchanged = error is not null && found == (replaces ? Whole("old") : null);
            Assert.True(unchanged || found == Whole("new"), $"{at}: {found}");
            if (found != Whole("new")) Assert.StartsWith("The disk is full", error!.What);
            // Only where deleting the old content is itself what failed may some of it stay, under a name nobody reads.
            Assert.True(disk.EntryNames(Root).Count <= 1 || found == Whole("new"), $"{at}: {disk.Dump(Root)}");
        }
    }

    [Fact]
    public void A_file_is_whole_whenever_the_power_goes_or_a_write_is_refused()
    {
        var path = Path.Combine(Root, "x.json");
        SimulatedDisk WithOld()
        {
            var disk = Disk(true, null);
            AtomicFile.WriteText(path, "old", disk);
            disk.Restart(SimulatedDisk.Survives.FlushedOnly);
            return disk;
        }
        var clean = WithOld();
        AtomicFile.WriteText(path, "new", clean);
        Assert.Equal(6, clean.Operations);
        foreach (var survives in Enum.GetValues<SimulatedDisk.Survives>())
            for (var at = 1; at <= clean.Operations; at++)
            {
                var disk = WithOld();
                disk.FailAt = at;
                Assert.Throws<SimulatedDisk.PowerLost>(() => AtomicFile.WriteText(path, "new", disk));
                disk.Restart(survives);
                Assert.Contains(disk.Text(path), new[] { "old", "new" });

                disk = WithOld();
                (disk.FailAt, disk.Failure) = (at, () => new UnauthorizedAccessException());
                Assert.Throws<StorageException>(() => AtomicFile.WriteText(path, "new", disk));
                Assert.Equal(at == clean.Operations ? "new" : "old", disk.Text(path));
                Assert.Single(disk.EntryNames(Root));
            }
    }

    [Fact]
    public void Too_little_space_is_reported_with_numbers_before_anything_is_written()
    {
        var disk = Disk(true, "old");
        disk.Free = 1000;
        var e = Assert.Throws<StorageException>(() => AtomicFile.Write(Path.Combine(Root, "f"), _ => { }, 1001, disk));
        Assert.Equal("The disk is full: 1001 bytes are needed, 1000 bytes are free.", e.What);
        Assert.Equal(0, disk.Operations);
        e = Assert.Throws<StorageException>(() =>
            AtomicFolder.Write(Target, _ => { }, _ => true, bytes: 5000, files: disk));
        Assert.Contains("5000 bytes are needed", e.What);
        var writer = new SafetensorsWriter();
        writer.Add("w", [1000], new float[1000]);
        e = Assert.Throws<StorageException>(() => writer.Save(Path.Combine(Root, "w.safetensors"), disk));
        Assert.Contains("bytes are needed", e.What);
        Assert.Equal(Whole("old"), disk.Dump(Target));
    }

    [Fact]
    public void A_full_device_is_recognised()
    {
        if (!File.Exists("/dev/full")) Assert.Skip("This system has no /dev/full.");
        using var full = new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 0);
        var cause = Assert.Throws<IOException>(() => full.Write(new byte[10]));
        Assert.StartsWith("The disk is full", StorageErrors.Writing("x", cause, 10, null).What);
    }

    [Fact]
    public void An_error_of_the_callback_leaves_the_old_content()
    {
        var disk = Disk(false, "old");
        Assert.Throws<NumericException>(() => AtomicFolder.Write(Target, folder =>
        {
            folder.WriteText("config.json", "x");
            throw new NumericException("nan");
        }, _ => true, files: disk));
        Assert.Equal(Whole("old"), disk.Dump(Target));
        Assert.Equal(["adapter"], disk.EntryNames(Root));
    }

    [Fact]
    public void Names_in_a_folder_cannot_lead_out_of_it()
    {
        var disk = Disk(true, null);
        foreach (var name in new[] { "", ".", "..", "../x", "a/../../x", "/x", "a//b", "a\\b", "C:x", "x\0",
            "manifest.json" })
            Assert.Throws<ArgumentException>(() =>
                AtomicFolder.Write(Target, folder => folder.WriteText(name, ""), manifest: true, files: disk));
        Assert.Null(disk.Dump(Target));
    }

    [Fact]
    public void On_the_real_disk_a_folder_is_replaced_verified_and_guarded()
    {
        using var scratch = new ScratchFolder();
        var target = scratch.File("runs/adapter");
        void Save(float value, Func<string, bool>? mayReplace) => AtomicFolder.Write(target, folder =>
        {
            var tensors = SafetensorsWriter.ForPyTorch();
            tensors.Add("w", [2], new[] { value, value });
            folder.WriteTensors("model.safetensors", tensors);
            folder.WriteText("sub/note.txt", $"{value}");
        }, mayReplace, manifest: true);

        Save(1, null);
        Save(2, name => name is "model.safetensors" or "sub" or "manifest.json");
        Assert.Equal(["adapter"], Directory.GetFileSystemEntries(scratch.File("runs")).Select(Path.GetFileName));
        Assert.Equal(["model.safetensors", "sub/note.txt"], FolderManifest.Verify(target));
        using (var source = WeightSource.Open(target))
            Assert.Equal(BitConverter.GetBytes(2f), source.Bytes("w")[..4].ToArray());

        File.WriteAllText(Path.Combine(target, "thesis.docx"), "years of work");
        var refused = Assert.Throws<UsageException>(() =>
            Save(3, name => name is "model.safetensors" or "sub" or "manifest.json"));
        Assert.Contains("thesis.docx", refused.What);
        Assert.Equal("2", File.ReadAllText(Path.Combine(target, "sub/note.txt")));

        File.WriteAllText(Path.Combine(target, "sub/note.txt"), "3");
        Assert.Contains("content is not", Damage(hashes: true));
        FolderManifest.Verify(target, hashes: false);
        File.WriteAllText(Path.Combine(target, "sub/note.txt"), "33");
        Assert.Contains("manifest says 1", Damage(hashes: false));
        File.Delete(Path.Combine(target, "sub/note.txt"));
        Assert.Contains("missing", Damage(hashes: false));
        File.WriteAllText(Path.Combine(target, "manifest.json"),
            """{"files":{"../x":{"size":1,"sha256":""}},"version":1}""");
        Assert.Contains("outside", Damage(hashes: true));

        string Damage(bool hashes) =>
            Assert.Throws<ModelFormatException>(() => FolderManifest.Verify(target, hashes)).What;
    }

    [Fact]
    public void A_reader_finds_a_folder_that_a_crash_left_set_aside()
    {
        using var scratch = new ScratchFolder();
        var writer = SafetensorsWriter.ForPyTorch();
        writer.Add("w", [1], new[] { 1f });
        Directory.CreateDirectory(scratch.File(".m.old-1-abc"));
        writer.Save(scratch.File(".m.old-1-abc/model.safetensors"));
        Directory.CreateDirectory(scratch.File(".m.tmp-1-abc"));
        using var source = WeightSource.Open(scratch.File("m"));
        Assert.Equal(1, source.Count);
        Assert.True(Directory.Exists(scratch.File("m")));
        Assert.False(AtomicFolder.Recover(scratch.File("m")));
    }

    [Fact]
    public void A_link_to_a_folder_stays_a_link()
    {
        if (OperatingSystem.IsWindows()) Assert.Skip("Creating links needs a privilege on Windows.");
        using var scratch = new ScratchFolder();
        Directory.CreateDirectory(scratch.File("disk2/out"));
        Directory.CreateSymbolicLink(scratch.File("out"), scratch.File("disk2/out"));
        AtomicFolder.Write(scratch.File("out"), folder => folder.WriteText("a", "1"));
        Assert.NotNull(new DirectoryInfo(scratch.File("out")).LinkTarget);
        Assert.Equal("1", File.ReadAllText(scratch.File("disk2/out/a")));
    }

    [Fact]
    public void Permission_and_missing_folders_are_typed_errors()
    {
        using var scratch = new ScratchFolder();
        Assert.Contains("does not exist",
            Assert.Throws<StorageException>(() => AtomicFile.WriteText(scratch.File("no/x"), "")).What);
        scratch.Write("file", "x");
        Assert.Throws<StorageException>(() => AtomicFolder.Write(scratch.File("file"), f => f.WriteText("a", "")));
        Assert.Equal("x", File.ReadAllText(scratch.File("file")));
        Assert.Throws<StorageException>(() => AtomicFolder.Write(scratch.File("file/sub"), f => f.WriteText("a", "")));
        Assert.Equal(["file"], Directory.GetFileSystemEntries(scratch.Root).Select(Path.GetFileName));
    }
}
