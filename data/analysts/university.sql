CREATE TABLE departments (dept_id INTEGER PRIMARY KEY, nom TEXT NOT NULL, faculte TEXT, batiment TEXT, budget_keur INTEGER, responsable TEXT);
INSERT INTO departments VALUES (1,'Informatique','Sciences','Turing',1840,'Hélène Marchand'),(2,'Mathématiques','Sciences','Galois',960,'Paul Okonkwo'),(3,'Droit privé','Droit','Portalis',1210,'Irène Castellan'),(4,'Histoire','Lettres','Braudel',540,'Luc Fontanel'),(5,'Langues','Lettres','Braudel',780,'Mercedes Ibarra'),(6,'Biologie','Sciences','Pasteur',2115,'Yann Le Goff'),(7,'Économie','Gestion','Walras',1330,'Nadège Roussel'),(8,'Philosophie','Lettres','Diderot',310,NULL);

CREATE TABLE programmes (prog_id INTEGER PRIMARY KEY, code TEXT UNIQUE, intitule TEXT, niveau TEXT, dept_id INTEGER REFERENCES departments(dept_id), capacite INTEGER, frais_eur INTEGER, langue TEXT, ouvert INTEGER);
INSERT INTO programmes VALUES
(1,'L-INFO','Licence Informatique','L',1,60,243,'fr',1),(2,'M-IA','Master Intelligence artificielle','M',1,32,3770,'en',1),(3,'M-SECU','Master Cybersécurité','M',1,28,3770,'fr',1),
(4,'L-MATH','Licence Mathématiques','L',2,45,243,'fr',1),(5,'M-STAT','Master Statistique','M',2,24,380,'en',1),(6,'L-DROIT','Licence Droit','L',3,90,243,'fr',1),
(7,'M-DAFF','Master Droit des affaires','M',3,36,1250,'fr',1),(8,'L-HIST','Licence Histoire','L',4,40,243,'fr',1),(9,'L-LEA','Licence Langues étrangères appliquées','L',5,50,243,'fr',1),
(10,'M-TRAD','Master Traduction','M',5,20,380,'fr',1),(11,'L-BIO','Licence Biologie','L',6,55,243,'fr',1),(12,'M-ECOL','Master Écologie','M',6,22,380,'en',1),
(13,'L-ECO','Licence Économie','L',7,70,243,'fr',1),(14,'M-FIN','Master Finance','M',7,30,6900,'en',1),(15,'D-BIO','Doctorat Biologie','D',6,12,391,'en',1),(16,'M-PATR','Master Patrimoine','M',4,18,380,'fr',0);

-- applicants come from the admissions tool; no keys declared; submitted_ts in epoch seconds
CREATE TABLE applicants (app_no TEXT, prenom TEXT, nom TEXT, date_naiss TEXT, pays TEXT, prog_code TEXT, annee INTEGER, note_dossier REAL, decision CHAR(1), submitted_ts INTEGER, source TEXT, is_test INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1100),
a AS (SELECT i, ((i*i*7+i*31+3)%1013)%100 h, 2020+((i*i*3+i*17)%127)%5 y FROM n)
INSERT INTO applicants SELECT 'A'||substr(y,3)||printf('%05d',(i*37)%9973),
 '["Léa","Hugo","Inès","Mathis","Aïcha","Jules","Camille","Diego","Zoé","Noam","Lucía","Théo","Mei","Samuel","Fatou","Elias","Clara","Anton","Maëlle"]' ->> (i%19),
 '["Bernard","Petit","Moreau","Garcia","Lefèvre","Traoré","Simon","Laurent","Nguyen","Girard","Ortega","Rossi","Chevalier","Diallo","Meunier","Haddad","Fabre","Costa","Lemoine","Roche","Benali","Schmitt","Arnaud"]' ->> ((i*5+i/19)%23),
 date('1994-01-01','+'||((i*i*13+i*2311)%4399)||' days'), '["FR","FR","FR","MA","FR","ES","SN","FR","IT","CN","FR","DE"]' ->> (((i*i*11+i*7)%151)%12),
 '["L-INFO","M-IA","L-DROIT","L-MATH","L-ECO","M-FIN","L-BIO","L-LEA","M-SECU","L-HIST","M-STAT","L-DROIT","M-DAFF","L-ECO","M-ECOL","L-INFO","M-TRAD"]' ->> (((i*i*19+i*101)%163)%17),
 y, CASE WHEN h>95 THEN NULL ELSE round(7.2+((i*i*5+i*913)%1193)*0.0101,2) END,
 CASE WHEN h<46 THEN 'A' WHEN h<80 THEN 'R' WHEN h<90 THEN 'W' ELSE NULL END,
 strftime('%s',y||'-01-15')+(i*7919+i*i*31)%8600000, '["portal","portal","fair","agent","portal"]' ->> (((i*i+i*13)%73)%5), CASE WHEN (i*i*3+i)%199<3 THEN 1 ELSE 0 END FROM a;

CREATE TABLE students (student_id INTEGER PRIMARY KEY, app_no TEXT, prenom TEXT, nom TEXT, genre CHAR(1), ville TEXT, boursier INTEGER, email TEXT);
INSERT INTO students SELECT 21000+row_number() OVER (ORDER BY app_no), app_no, prenom, nom, CASE WHEN prenom IN ('Léa','Inès','Aïcha','Camille','Zoé','Lucía','Mei','Fatou','Clara','Maëlle') THEN 'F' ELSE 'H' END, '["Rennes","Nantes","Brest","Vannes","Rennes","Lorient","Saint-Malo"]' ->> ((rowid*rowid*5+rowid)%61%7), CASE WHEN (rowid*17)%47<14 THEN 1 ELSE 0 END, CASE WHEN (rowid*13)%59<4 THEN NULL ELSE 'e'||rowid||'@etu.example' END
 FROM applicants WHERE decision='A' AND is_test=0 AND (rowid*rowid*3)%71<58;

CREATE TABLE enrolments (enrol_id INTEGER PRIMARY KEY, student_id INTEGER NOT NULL REFERENCES students(student_id), prog_id INTEGER NOT NULL REFERENCES programmes(prog_id), acad_year TEXT, year_of_study INTEGER, status TEXT, fee_paid_eur REAL, withdrawn_on TEXT);
INSERT INTO enrolments (student_id, prog_id, acad_year, year_of_study, status, fee_paid_eur, withdrawn_on)
 SELECT student_id, prog_id, (annee+k)||'/'||(annee+k+1), k+1, CASE WHEN (student_id*student_id+k*7)%67<6 THEN 'withdrawn' WHEN annee+k=2024 THEN 'active' WHEN (student_id*31+k)%53<5 THEN 'repeat' ELSE 'completed' END,
 CASE WHEN boursier=1 THEN 0 WHEN (student_id*19+k)%61<5 THEN NULL ELSE frais_eur END, CASE WHEN (student_id*student_id+k*7)%67<6 THEN date((annee+k)||'-10-01','+'||((student_id*37+k*11)%200)||' days') END
 FROM students JOIN applicants ON applicants.app_no=students.app_no JOIN programmes ON programmes.code=applicants.prog_code JOIN (SELECT 0 k UNION SELECT 1 UNION SELECT 2) ON k<CASE niveau WHEN 'L' THEN 3 ELSE 2 END AND annee+k<=2024;

CREATE TABLE modules (module_code TEXT PRIMARY KEY, intitule TEXT, dept_id INTEGER REFERENCES departments(dept_id), ects INTEGER, semestre INTEGER, enseignant TEXT, heures_cm INTEGER, heures_td INTEGER);
INSERT INTO modules VALUES ('INF101','Algorithmique',1,6,1,'S. Kermarrec',24,36),('INF205','Bases de données',1,6,2,'J. Abitbol',20,30),('INF310','Réseaux',1,4,1,'S. Kermarrec',18,20),('INF501','Apprentissage automatique',1,8,1,'V. Prado',30,24),('INF520','Cryptographie',1,6,2,NULL,24,18),
('MAT101','Analyse 1',2,6,1,'P. Okonkwo',36,40),('MAT220','Probabilités',2,5,2,'D. Weil',28,30),('MAT510','Séries temporelles',2,6,1,'D. Weil',24,20),('DRO101','Introduction au droit',3,7,1,'I. Castellan',40,20),('DRO330','Droit des contrats',3,6,2,'B. Sorel',36,18),
('HIS110','Histoire médiévale',4,5,1,'L. Fontanel',30,15),('HIS240','Archives et sources',4,4,2,'A. Vidal',12,24),('LAN105','Espagnol 1',5,3,1,'M. Ibarra',0,40),('LAN210','Traduction technique',5,5,2,'M. Ibarra',10,30),('BIO102','Génétique',6,6,1,'Y. Le Goff',28,32),('BIO415','Écologie marine',6,6,2,'C. Tanguy',20,26),
('ECO101','Microéconomie',7,6,1,'N. Roussel',30,30),('ECO530','Gestion des risques',7,8,2,'R. Mbaye',26,22),('PHI100','Logique',8,3,2,'O. Stern',20,10);

-- several attempts possible; note out of 20, NULL = absent
CREATE TABLE exam_results (student_id INTEGER, module_code TEXT, exam_date TEXT, session INTEGER, note REAL, jury_pts REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<4), m AS (SELECT module_code mc, row_number() OVER (ORDER BY module_code) r, dept_id d FROM modules WHERE module_code<>'PHI100')
INSERT INTO exam_results SELECT student_id, mc, printf('%02d/%02d/%d',1+(student_id*7+r*5)%27,CASE WHEN r%2=0 THEN 1 ELSE 6 END,substr(acad_year,6)), 1, CASE WHEN (student_id*13+r*29+year_of_study)%97<5 THEN NULL ELSE round(3.5+((student_id*student_id*7+r*r*113+student_id*r*3+year_of_study*397)%1583)*0.0101,2) END, CASE WHEN (student_id*5+r*11)%43<3 THEN 0.5 END
 FROM enrolments JOIN programmes ON programmes.prog_id=enrolments.prog_id JOIN m ON d=programmes.dept_id WHERE status IN ('completed','repeat') AND (student_id*3+r*r+year_of_study*5)%11<5;
INSERT INTO exam_results SELECT student_id, module_code, printf('%02d/09/%s',1+(student_id*11)%28,substr(exam_date,7)), 2, round(6.1+((student_id*student_id*3+unicode(substr(module_code,4))*97+substr(exam_date,7)*53+student_id*41)%977)*0.0103,2), NULL FROM exam_results WHERE (note<10 OR note IS NULL) AND (student_id*7)%13<10;

CREATE TABLE scholarships (sch_id INTEGER, student_id INTEGER, tipo TEXT, importe_mensual REAL, meses INTEGER, fecha_inicio TEXT, estado TEXT, organismo TEXT);
INSERT INTO scholarships SELECT 700+row_number() OVER (ORDER BY student_id), student_id, '["mérito","movilidad","social","social"]' ->> ((student_id*student_id*3+5)%29%4), 120+(student_id*student_id*7+student_id)%83*5.5, '[5,9,10,12]' ->> ((student_id*student_id)%23%4), date('2020-09-01','+'||((student_id*student_id*11+student_id*3)%1579)||' days'),
 '["pagada","vigente","cancelada","pagada"]' ->> ((student_id*student_id*5+student_id)%37%4), '["Région Bretagne","Fundación Ojeda","CROUS","Erasmus+"]' ->> ((student_id*student_id+student_id*9)%41%4) FROM students WHERE (student_id*student_id*5)%31<13;
INSERT INTO scholarships SELECT 1000+row_number() OVER (ORDER BY student_id), student_id, 'movilidad', 260+(student_id*student_id*3+student_id*7)%71*4.5, 5, date('2021-01-15','+'||((student_id*student_id*7+student_id*13)%1231)||' days'), '["vigente","pagada","pagada"]' ->> ((student_id*student_id)%19%3), '["Erasmus+","Fundación Ojeda","Erasmus+"]' ->> ((student_id*7)%17%3) FROM students WHERE (student_id*student_id*3+1)%37<8;

CREATE TABLE alumni (alum_id INTEGER, student_id INTEGER, grad_year INTEGER, employer TEXT, sector TEXT, salary_keur REAL, city TEXT, newsletter CHAR(1));
INSERT INTO alumni SELECT 9000+row_number() OVER (ORDER BY student_id), student_id, CAST(substr(max(acad_year),6) AS INTEGER), CASE WHEN (student_id*11)%37<6 THEN NULL ELSE '["Orvane SA","Banque du Ponant","Studio Kelt","Mairie de Nantes","BioArmor","Cabinet Lestrade","Hexalog","Lycée Chateaubriand"]' ->> ((student_id*student_id*3+student_id)%53%8) END,
 '["IT","finance","public","research","law","education"]' ->> ((student_id*student_id+student_id*5)%43%6), CASE WHEN (student_id*23)%29<5 THEN NULL ELSE round(24.5+(student_id*student_id*5+student_id*13)%3109*0.0113,2) END, '["Paris","Rennes","Nantes","Lyon","Madrid","Rennes"]' ->> ((student_id*student_id*7+3)%59%6), CASE WHEN (student_id*3)%17<9 THEN 'O' ELSE 'N' END
 FROM enrolments JOIN programmes ON programmes.prog_id=enrolments.prog_id WHERE status='completed' AND year_of_study=CASE niveau WHEN 'L' THEN 3 ELSE 2 END GROUP BY student_id;
