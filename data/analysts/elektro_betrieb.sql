CREATE TABLE Kunden (KundenNr INTEGER PRIMARY KEY, Name TEXT, Kundenart TEXT, Strasse TEXT, PLZ TEXT, Ort TEXT, Telefon TEXT, EMail TEXT, Kunde_seit TEXT, Stammkunde TEXT);
INSERT INTO Kunden VALUES
(1001,'Bäckerei Kolbinger','G','Marktplatz 4','88410','Weilbronn','07564 2213','info@kolbinger.example','12.03.2015','Ja'),
(1002,'Annegret Stäudle','P','Amselweg 17','88410','Weilbronn','07564 8890',NULL,'02.09.2018','Nein'),
(1003,'Hausverwaltung Riedmüller','G','Lange Gasse 31','88427','Oberkirnach','07583 4410','verwaltung@riedmueller.example','21.01.2014','Ja'),
(1004,'Gemeinde Tannhof','O','Rathausplatz 1','88436','Tannhof','07525 9200','bauamt@tannhof.example','05.05.2012','Ja'),
(1005,'Jürgen Fehrenbach','P','Lindenstr. 8','88427','Oberkirnach',NULL,'j.fehrenbach@post.example','17.11.2020','Nein'),
(1006,'Gasthof Zum Hirschen','G','Hauptstr. 55','88436','Tannhof','07525 318','hirschen@gasthof.example','30.06.2016','Ja'),
(1007,'Zahnarztpraxis Dr. Imgrund','G','Seestr. 2','88499','Seefelden','07371 6650','praxis@imgrund.example','14.02.2019','Nein'),
(1008,'Familie Özdemir','P','Birkenweg 23','88410','Weilbronn','0176 5550183','oezdemir@post.example','08.04.2021','Nein'),
(1009,'Schreinerei Holzapfel','G','Industriestr. 12','88499','Seefelden','07371 2081',NULL,'19.08.2013','Ja'),
(1010,'Kindergarten St. Martin','O','Kirchgasse 3','88410','Weilbronn','07564 1177','leitung@st-martin.example','11.10.2017','Ja'),
(1011,'Waltraud Göggel','P','Am Bach 6','88436','Tannhof','07525 771',NULL,'27.07.2016','Nein'),
(1012,'Autohaus Brenner & Söhne','G','Ulmer Str. 101','88471','Laubingen','07392 9770','werkstatt@brenner.example','03.12.2014','Ja'),
(1013,'Dirk Mayländer','P','Rosenstr. 44','88471','Laubingen','0151 5550922','maylaender@post.example','22.02.2022','Nein'),
(1014,'Grundschule Laubingen','O','Schulstr. 9','88471','Laubingen','07392 3301','sekretariat@gs-laubingen.example','01.09.2015','Nein'),
(1015,'Metzgerei Speidel','G','Marktplatz 11','88410','Weilbronn','07564 2090','speidel@metzgerei.example','16.05.2018','Nein'),
(1016,'Carmen Lopez-Haug','P','Panoramaweg 5','88499','Seefelden',NULL,'carmen.lh@post.example','29.01.2023','Nein'),
(1017,'Brauerei Schwanenbräu','G','Brauereigasse 1','88427','Oberkirnach','07583 100','technik@schwanenbraeu.example','07.07.2011','Ja'),
(1018,'Heinz Rapp','P','Hohlweg 2','88427','Oberkirnach','07583 5561',NULL,'13.03.2013','Ja'),
(1019,'Apotheke am Tor','G','Torstr. 3','88410','Weilbronn','07564 4422','apotheke@amtor.example','24.09.2022','Nein'),
(1020,'Sabine Wohlgemuth','P','Eichenstr. 19','88471','Laubingen','07392 6018','s.wohlgemuth@post.example','10.06.2023','Nein'),
(1021,'Reiterhof Birkle','G','Außenhof 1','88436','Tannhof','0172 5550441',NULL,'18.04.2020','Nein'),
(1022,'Feuerwehr Seefelden','O','Hafenstr. 7','88499','Seefelden','07371 112','kommandant@fw-seefelden.example','06.11.2019','Nein'),
(1023,'Tobias Nusser','P','Finkenweg 30','88410','Weilbronn','0160 5550777','t.nusser@post.example','15.08.2024','Nein'),
(1024,'Pension Alpenblick','G','Bergstr. 14','88499','Seefelden','07371 8123','alpenblick@pension.example','09.01.2024','Nein');
CREATE TABLE Monteure (MonteurID INTEGER PRIMARY KEY, Vorname TEXT, Nachname TEXT, Qualifikation TEXT, Eintritt TEXT, Austritt TEXT, Stundensatz REAL, Fuehrerschein TEXT, Aktiv TEXT);
INSERT INTO Monteure VALUES (1,'Karl','Zwiesler','Meister','01.04.1998',NULL,78,'Ja','Ja'),(2,'Petra','Holzer','Meister','15.09.2009',NULL,76.5,'Ja','Ja'),(3,'Murat','Aydin','Geselle','01.03.2014',NULL,62,'Ja','Ja'),(4,'Stefan','Lutz','Geselle','01.08.2016','31.12.2023',60,'Ja','Nein'),(5,'Jonas','Biberger','Geselle','01.10.2019',NULL,58.5,'Ja','Ja'),(6,'Lena','Schickle','Azubi','01.09.2022',NULL,32,'Nein','Ja'),(7,'Emre','Kaplan','Azubi','01.09.2023',NULL,30,'Ja','Ja'),(8,'Ralf','Dorner','Helfer','12.05.2018',NULL,42,'Nein','Ja'),(9,'Viktor','Hein','Geselle','01.02.2021','30.06.2024',59,'Ja','Nein'),(10,'Nadine','Ott','Geselle','01.07.2024',NULL,57,'Ja','Ja'),(11,'Timo','Ruf','Azubi','01.09.2024',NULL,28,'Nein','Ja');
CREATE TABLE Material (ArtNr TEXT, Bezeichnung TEXT, Warengruppe TEXT, Einheit TEXT, EK REAL, VK REAL, Bestand INTEGER, Mindestbestand INTEGER, Lieferant TEXT);
INSERT INTO Material VALUES ('K-1015','NYM-J 3x1,5','Kabel','m',0.62,1.15,1850,1000,'Kabelhaus Süd'),('K-1025','NYM-J 5x2,5','Kabel','m',1.48,2.7,640,800,'Kabelhaus Süd'),('K-2004','Netzwerkkabel Cat7','Kabel','m',0.95,1.9,920,500,'Datacon'),('S-3001','Steckdose weiß','Schalter','Stk',2.9,6.5,310,150,'Elgro Wiesinger'),('S-3002','Wechselschalter','Schalter','Stk',3.4,7.8,205,100,'Elgro Wiesinger'),('S-3010','Dimmer LED','Schalter','Stk',21.5,44.9,18,20,'Elgro Wiesinger'),('V-4001','FI-Schutzschalter 40A','Verteiler','Stk',28,59,42,25,'Elgro Wiesinger'),('V-4002','Leitungsschutz B16','Verteiler','Stk',2.2,5.4,260,200,'Elgro Wiesinger'),('V-4100','Zählerschrank 3-feldrig','Verteiler','Stk',310,525,2,3,'Schaltbau Kern'),('L-5001','LED-Panel 60x60','Leuchten','Stk',34,72,55,30,'Lumera'),('L-5002','Feuchtraumleuchte','Leuchten','Stk',19.8,41,33,40,'Lumera'),('L-5003','Einbaustrahler','Leuchten','Stk',7.2,16.9,140,60,'Lumera'),('P-6001','PV-Modul 430W','Photovoltaik','Stk',88,149,96,40,'Solarwerk Iller'),('P-6002','Wechselrichter 10kW','Photovoltaik','Stk',1390,1990,4,3,'Solarwerk Iller'),('P-6003','Batteriespeicher 8kWh','Photovoltaik','Stk',3100,4250,1,2,'Solarwerk Iller'),('W-7001','Wallbox 11kW','E-Mobilität','Stk',415,699,7,5,'Schaltbau Kern'),('X-9001','Kabelbinder 200mm','Kleinteile','Pkg',1.9,4.5,80,30,NULL),('X-9002','Dübel/Schrauben-Set','Kleinteile','Pkg',6.1,12,64,30,NULL),('X-9005','Telefondose TAE','Kleinteile','Stk',3.3,7,12,0,'Datacon');
CREATE TABLE Auftraege (AuftragsNr INTEGER PRIMARY KEY, KundenNr INTEGER, Auftragsdatum TEXT, Fertig_am TEXT, Auftragsart TEXT, Status TEXT, Angebotssumme REAL, Notdienst TEXT, Bauleiter INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<380),
a AS (SELECT i, date('2021-01-04','+'||(i*4 + (i*i*7+i*13)%11)||' days') d, (i*i*5+i*17)%97 h FROM n),
b AS (SELECT *, CASE WHEN h<6 THEN 'storniert' WHEN i>362 THEN CASE WHEN h%2 THEN 'offen' ELSE 'in Arbeit' END WHEN h IN (11,13) THEN 'offen' ELSE 'erledigt' END st FROM a)
INSERT INTO Auftraege SELECT 20000+i, 1001+(i*i*3+i*29+(i*i*i)%31)%97%23, strftime('%d.%m.%Y', d), CASE WHEN st='erledigt' THEN strftime('%d.%m.%Y', d, '+'||(1+(i*i*11+i)%67%31)||' days') END,
 '["Reparatur","Installation","Wartung","Photovoltaik","E-Check","Reparatur","Installation","Wallbox"]' ->> ((i*i+i*43)%73%8), st,
 CASE WHEN (i*i*3+i*7)%59<8 THEN NULL ELSE round(85 + (i*i*137+i*991)%5003*0.73*(1+(i*i)%3),2) END,
 CASE WHEN (i*i*13+i*5)%61<7 THEN 'Ja' ELSE 'Nein' END, '[1,2,1,3,2,5]' ->> ((i*i*7+i*3)%53%6) FROM b;
CREATE TABLE Auftragsmaterial (Pos INTEGER PRIMARY KEY, AuftragsNr INTEGER, ArtNr TEXT, Menge REAL, Einzelpreis REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1100),
a AS (SELECT i, 20001+(i*i*3+i*241)%367 nr, (i*i*7+i*19)%113%18 m FROM n)
INSERT INTO Auftragsmaterial SELECT i, nr, ArtNr, CASE Einheit WHEN 'm' THEN 10+(i*i*11+i*3)%131 ELSE CASE WHEN VK>400 THEN 1 ELSE 1+(i*i*5+i)%43%14 END END, round(VK*(0.88+(i*i+i*7)%13*0.01),2) FROM a JOIN Material ON Material.rowid=a.m+1 WHERE nr NOT IN (SELECT AuftragsNr FROM Auftraege WHERE Status='storniert' OR Auftragsart='E-Check');
CREATE TABLE Stunden (ID INTEGER PRIMARY KEY, MonteurID INTEGER, AuftragsNr INTEGER, Datum TEXT, Stunden REAL, Ueberstunden TEXT, Taetigkeit TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1500),
a AS (SELECT i, 20001+(i*i*11+i*73)%373 nr, 1+(i*i*3+i*31)%79%10 m FROM n),
b AS (SELECT a.*, date(substr(Auftragsdatum,7,4)||'-'||substr(Auftragsdatum,4,2)||'-'||substr(Auftragsdatum,1,2), '+'||((i*i+i*3)%19)||' days') d FROM a JOIN Auftraege ON AuftragsNr=nr WHERE Status<>'storniert')
INSERT INTO Stunden SELECT i, m, CASE WHEN (i*i*7+i)%101<5 THEN NULL ELSE nr END, strftime('%d.%m.%Y', d), 0.5*(1+(i*i*13+i*11)%83%19), CASE WHEN (i*i*17+i*3)%71<8 THEN 'Ja' ELSE 'Nein' END,
 CASE WHEN (i*i*7+i)%101<5 THEN 'Lager' ELSE '["Montage","Montage","Verdrahtung","Fehlersuche","Messung","Fahrt","Montage"]' ->> ((i*i*5+i*37)%67%7) END
 FROM b JOIN Monteure ON MonteurID=m WHERE d>=substr(Eintritt,7,4)||'-'||substr(Eintritt,4,2)||'-'||substr(Eintritt,1,2) AND (Austritt IS NULL OR d<=substr(Austritt,7,4)||'-'||substr(Austritt,4,2)||'-'||substr(Austritt,1,2));
CREATE TABLE Rechnungen (RechnungsNr TEXT, AuftragsNr INTEGER, Rechnungsdatum TEXT, Faellig_am TEXT, Netto REAL, MwSt REAL, Brutto REAL, Bezahlt TEXT, Bezahlt_am TEXT, Mahnstufe INTEGER);
INSERT INTO Rechnungen SELECT 'RE'||substr(x,3,2)||'-'||printf('%04d', i), AuftragsNr, strftime('%d.%m.%Y', x), strftime('%d.%m.%Y', x, '+14 days'), net, round(net*0.19,2), net+round(net*0.19,2), b, CASE WHEN b='Ja' THEN strftime('%d.%m.%Y', x, '+'||(3+(i*i*3+i*7)%47%29)||' days') END, CASE WHEN b='Nein' THEN (i*i+i)%7%4 ELSE CASE WHEN (i*i*3)%41<4 THEN 1 ELSE 0 END END
 FROM (SELECT AuftragsNr, AuftragsNr-20000 i, date(substr(Fertig_am,7,4)||'-'||substr(Fertig_am,4,2)||'-'||substr(Fertig_am,1,2), '+'||(2+(AuftragsNr*AuftragsNr)%17)||' days') x, round(90+(AuftragsNr%1000*AuftragsNr%1000*61+AuftragsNr*577)%4001*1.31,2) net, CASE WHEN (AuftragsNr*AuftragsNr*3+AuftragsNr)%89<9 OR AuftragsNr>20355 THEN 'Nein' ELSE 'Ja' END b FROM Auftraege WHERE Status='erledigt' AND (AuftragsNr*AuftragsNr+5)%43>3);
CREATE TABLE Fahrzeuge (Kennzeichen TEXT, Modell TEXT, Fahrer INTEGER, "TÜV bis" TEXT, "km Stand" INTEGER, Elektro TEXT);
INSERT INTO Fahrzeuge VALUES ('BC-EZ 101','Transporter L','1','30.04.2025',148200,'Nein'),('BC-EZ 102','Kastenwagen E',2,'31.08.2026',38750,'Ja'),('BC-EZ 103','Transporter M',3,'28.02.2025',201430,'Nein'),('BC-EZ 104','Kastenwagen E',5,'30.11.2025',61210,'Ja'),('BC-EZ 105','Pritsche',NULL,'31.07.2024',176900,'Nein'),('BC-EZ 106','Kombi',10,'31.03.2026',22480,'Nein');
