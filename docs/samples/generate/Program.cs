// Continues a text, piece by piece; published ahead of time it is one small program.
//   dotnet run -- MODEL_FOLDER PROMPT [ADAPTER_FOLDER]
//   dotnet publish -r linux-x64
using System.Diagnostics;
using PeftNative.Backends;
using PeftNative.Inference;
using PeftNative.Models.Layers;
using PeftNative.Models.Loading;
using PeftNative.Peft;
using PeftNative.Tokenizers;

using var backend = BackendFactory.Create();
var (model, _) = ModelLoader.Load(backend, args[0]);
using var owned = model;
using var adapter = args.Length > 2 ? AdapterFolder.Load(model, args[2]) : null;
AttachmentSet[] adapters = adapter is null ? [] : [adapter];
using var generator = new TextGenerator(model, HfTokenizer.Load(args[0]), adapters);

using var interrupt = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) => { pressed.Cancel = true; interrupt.Cancel(); };

Console.Write(args[1]);
await foreach (var piece in generator.StreamAsync(args[1], new GenerationOptions { MaxTokens = 24 }, interrupt.Token))
    Console.Write(piece);
var started = DateTime.Now - Process.GetCurrentProcess().StartTime;
Console.WriteLine($"\n{generator.TokenCount} tokens, {started.TotalMilliseconds:0} ms since the start of the process");
